// Command expiring stores a token that expires and refreshes it: somebody signs in once, the program
// waits until their token has run out, and acts for them all the same. It shows that [grant.Manager]
// has refreshed the token, without anybody asking it to.
//
//	go run ./examples/expiring
//
// With nothing set it signs in at a fake GitHub of its own, offline, whose tokens live for three
// seconds. A real GitHub's live for eight hours: to use it, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/auth/github/callback, and
// add -timeout 9h. It prints, with times in UTC:
//
//	Open http://127.0.0.1:40001/login/oauth/authorize?client_id=...
//	GitHub answers octocat; the token expires at 10:20:03.
//	Waiting until the token has run out.
//	GitHub answers octocat; the token expires at 10:20:06.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	app := githubtest.App{Name: "Expiring", Kind: githubtest.GitHubApp, TokenLife: 3 * time.Second}
	os.Exit(demo.Main("expiring", app, run))
}

func run(ctx context.Context, env demo.Env) (err error) {
	app, err := oauth.New(env.Config)
	if err != nil {
		return err
	}
	manager, err := grant.New(app, memory.New())
	if err != nil {
		return err
	}
	// Close waits for tokens that GitHub issued and that are not stored yet.
	defer func() { err = errors.Join(err, demo.Close(ctx, manager)) }()

	// An OAuth App gets tokens that expire by asking for offline access, a GitHub App by its settings.
	code, verifier, err := demo.SignIn(ctx, env, app, oauth.Authorize{OfflineAccess: true})
	if err != nil {
		return err
	}
	session, user, err := manager.SignIn(ctx, code, verifier, grant.Login{Lifetime: time.Hour})
	if err != nil {
		return err
	}
	expiry, err := act(ctx, env, manager, user.ID)
	if err != nil {
		return err
	}
	if end, _ := ctx.Deadline(); expiry.IsZero() || expiry.After(end) {
		return errors.New("the token does not run out in time: see that the app's tokens expire, and give -timeout 9h")
	}

	_, _ = fmt.Fprintln(env.Out, "Waiting until the token has run out.")
	select {
	case <-time.After(time.Until(expiry)):
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := act(ctx, env, manager, user.ID); err != nil {
		return err
	}
	return manager.SignOut(ctx, session)
}

// act calls GitHub as the user, and returns when the token that was used expires.
func act(ctx context.Context, env demo.Env, manager *grant.Manager, userID int64) (expiry time.Time, err error) {
	hc, err := manager.Client(ctx, userID)
	if err != nil {
		return time.Time{}, err
	}
	host := manager.Host()
	gh, err := github.NewClient(github.WithHTTPClient(hc), github.WithURLs(&host.API, &host.Upload))
	if err != nil {
		return time.Time{}, err
	}
	user, _, err := gh.Users.Get(ctx, "")
	if err != nil {
		return time.Time{}, err
	}
	token, err := manager.Token(ctx, userID)
	_, _ = fmt.Fprintf(env.Out, "GitHub answers %s; the token expires at %s.\n", user.GetLogin(), token.Expiry.Format(time.TimeOnly))
	return token.Expiry, err
}
