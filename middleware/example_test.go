package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// A server with one page for people who are signed in, and a visitor who goes there. The GitHub is
// a fake one, at which the visitor is signed in already.
func ExampleAuthenticator() {
	server := httptest.NewUnstartedServer(nil)
	callback := "http://" + server.Listener.Addr().String() + "/auth/github/callback"
	fake := githubtest.New()
	if err := fake.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()
	app := fake.AddApp(githubtest.App{Callbacks: []string{callback}})
	fake.SignInAs("octocat")

	host, err := oauth.HostFromURL(fake.URL()) // In production: leave Host out, or name an Enterprise Server.
	if err != nil {
		fmt.Println(err)
		return
	}
	auth, err := middleware.New(middleware.Config{
		ClientID:      app.ClientID,
		ClientSecrets: []oauth.Secret{oauth.NewSecret(app.Secrets[0])},
		RedirectURL:   callback,
		Host:          host,
	}, memory.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close(context.Background()) }()

	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gh, _ := middleware.ClientFromContext(r.Context())
		me, _, err := gh.Users.Get(r.Context(), "")
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		_, _ = fmt.Fprintf(w, "you are %s", me.GetLogin())
	})))
	server.Config.Handler = auth.Middleware(mux)
	server.Start()
	defer server.Close()

	jar, _ := cookiejar.New(nil)
	visitor := &http.Client{Jar: jar}
	r, _ := http.NewRequest(http.MethodGet, server.URL+"/me", nil)
	r.Header.Set("Accept", "text/html")
	resp, err := visitor.Do(r) // To sign in, to GitHub, back, and to where it began.
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Request.URL.Path, "says:", string(body))
	// Output: /me says: you are octocat
}

// All that is wrong is said at once.
func ExampleNew_errors() {
	_, err := middleware.New(middleware.Config{
		ClientSecrets: []oauth.Secret{oauth.NewSecret("secret")},
		RedirectURL:   "http://example.com/auth/github/callback",
		AfterLogin:    "https://elsewhere.example/",
	}, memory.New())
	fmt.Println(err)
	// Output:
	// middleware: the configuration can't be used:
	// client id: write the Client ID from the app's page in github's settings
	// redirect url: http would send secrets in the clear: write https, as in https://example.com; http is for loopback addresses such as 127.0.0.1
	// AfterLogin is "https://elsewhere.example/": write a local path such as /welcome, and none of the routes
}
