package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// A GitHub App hears of a user who takes its access away. The observer is where it deletes its own data about them.
func ExampleAuthenticator_Webhook() {
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	fake := githubtest.New()
	if err := fake.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()
	app := fake.AddApp(githubtest.App{
		Kind: githubtest.GitHubApp, Callbacks: []string{address + "/auth/github/callback"},
		WebhookURL: address + "/webhooks/github", WebhookSecret: "made with openssl rand -hex 32",
	})
	host, err := oauth.HostFromURL(fake.URL()) // In production: leave Host out, or name an Enterprise Server.
	if err != nil {
		fmt.Println(err)
		return
	}
	auth, err := middleware.New(middleware.Config{
		ClientID:      app.ClientID,
		ClientSecrets: []oauth.Secret{oauth.NewSecret(app.Secrets[0])},
		RedirectURL:   address + "/auth/github/callback",
		Host:          host,
	}, memory.New(), middleware.WithObserver(func(_ context.Context, e grant.Event) {
		if e.Kind == grant.EventForgotten && e.Reason == grant.ReasonRevoked {
			fmt.Println("forgotten: user", e.UserID)
		}
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close(context.Background()) }()

	hook, err := auth.Webhook(oauth.NewSecret(app.WebhookSecret)) // In production: from the environment.
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", hook)
	server.Config.Handler = auth.Middleware(mux)
	server.Start()
	defer server.Close()

	fake.SignInAs("octocat")
	jar, _ := cookiejar.New(nil)
	resp, err := (&http.Client{Jar: jar}).Get(address + "/auth/github/login") // To GitHub and back.
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()

	fake.RevokeUser(app.ClientID, 583231) // As the user does on github.com, under Settings, Applications.
	for _, d := range fake.Deliveries() {
		fmt.Println(d.Event, "answered with", d.Status)
	}
	// Output:
	// forgotten: user 583231
	// github_app_authorization answered with 204
}
