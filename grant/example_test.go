package grant_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// A worker acts for a user who signed in some time ago.
func ExampleManager() {
	ctx := context.Background()
	app, code, verifier, fake := exampleApp()
	defer fake.Close()

	manager, err := grant.New(app, memory.New(),
		grant.WithTransport(fake.Transport()), // Leave this out: it is the fake GitHub of this example.
		grant.WithKeepTokens())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = manager.Close(ctx) }()

	// At the callback:
	session, user, err := manager.SignIn(ctx, code, verifier, grant.Login{Lifetime: 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", user.Login)

	// Any time later, with the user's id alone:
	client, err := manager.Client(ctx, session.UserID)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Get(app.Host().API + "user")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println("GitHub says:", resp.Status)

	// A user who never signed in:
	_, err = manager.Client(ctx, 42)
	fmt.Println("sign in first:", errors.Is(err, oauth.ErrSignInAgain))
	// Output:
	// signed in: octocat
	// GitHub says: 200 OK
	// sign in first: true
}

// exampleApp is an app at a fake GitHub, with a visitor who has come back with a code.
func exampleApp() (app *oauth.Client, code string, verifier oauth.Secret, fake *githubtest.Server) {
	fake = githubtest.New()
	registered := fake.AddApp(githubtest.App{Callbacks: []string{callback}})
	fake.SignInAs("octocat")
	hc := &http.Client{
		Transport:     fake.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	app, err := oauth.New(oauth.Config{
		ClientID:      registered.ClientID,
		ClientSecrets: []oauth.Secret{oauth.NewSecret(registered.Secrets[0])},
		RedirectURL:   callback,
	}, oauth.WithHTTPClient(hc))
	if err != nil {
		panic(err)
	}
	verifier = oauth.NewVerifier()
	to, err := app.AuthorizeURL(oauth.Authorize{State: oauth.NewState(), Verifier: verifier})
	if err != nil {
		panic(err)
	}
	resp, err := hc.Get(to)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		panic(err)
	}
	return app, back.Query().Get("code"), verifier, fake
}
