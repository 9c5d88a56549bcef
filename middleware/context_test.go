package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
)

func TestAccessorsOfAnEmptyContextSayNo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if _, ok := middleware.UserFromContext(ctx); ok {
		t.Error("there is a user in an empty context")
	}
	if c, ok := middleware.ClientFromContext(ctx); ok || c != nil {
		t.Error("there is a client in an empty context")
	}
	if c, ok := middleware.HTTPClientFromContext(ctx); ok || c != nil {
		t.Error("there is an HTTP client in an empty context")
	}
	named := middleware.NewContext(ctx, middleware.Identity{User: middleware.User{ID: 1, Login: "octocat"}})
	if u, ok := middleware.UserFromContext(named); !ok || u.Login != "octocat" {
		t.Errorf("UserFromContext = %+v, %v", u, ok)
	}
	if _, ok := middleware.ClientFromContext(named); ok {
		t.Error("there is a client although the test gave none")
	}
}

func TestClientKnowsItsHost(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"": "https://api.github.com/", "https://acme.ghe.com": "https://api.acme.ghe.com/", "https://github.acme.example": "https://github.acme.example/api/v3/",
	} {
		host, err := oauth.HostFromURL(base)
		if err != nil {
			t.Fatal(err)
		}
		c, ok := middleware.ClientFromContext(middleware.NewContext(t.Context(), middleware.Identity{HTTPClient: new(http.Client), Host: host}))
		if !ok || c.BaseURL() != want {
			t.Errorf("the client for %q has the base URL %v, want %s", base, c.BaseURL(), want)
		}
	}
}

func TestAppsOwnPagesReplaceOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t, withOptions(
		middleware.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, p *middleware.Problem) {
			w.WriteHeader(p.Status())
			_, _ = fmt.Fprint(w, "everything: ", p.Title())
		}),
		middleware.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, p *middleware.Problem) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = fmt.Fprint(w, "own: ", p.Kind)
		}, middleware.KindSignIn),
	))
	b := s.browser(t)
	if p := b.get("/me"); p.StatusCode != http.StatusTeapot || p.body != "own: sign-in-required" {
		t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
	}
	if p := b.get("/auth/github/callback?state=x"); p.StatusCode != http.StatusBadRequest || p.body != "everything: This sign-in is no longer valid" {
		t.Errorf("GET callback = %d %q", p.StatusCode, p.body)
	}
}

func TestEnterpriseServer(t *testing.T) {
	t.Parallel()
	s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}), withConfig(func(c *middleware.Config) {
		c.Host, _ = oauth.HostFromURL("https://github.acme.example")
	}))
	b := s.browser(t)
	if p := b.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
	}
	for _, c := range s.gh.Calls() {
		if !strings.HasPrefix(c.Path, "/login/") && !strings.HasPrefix(c.Path, "/api/v3/") {
			t.Errorf("a call to %s, which is not where an Enterprise Server has its API", c.Path)
		}
	}
}

// A handler's own test: nothing of a sign-in is needed.
func ExampleNewContext() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := middleware.UserFromContext(r.Context())
		if !ok {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, "hello %s", user.Login)
	})

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(middleware.NewContext(r.Context(), middleware.Identity{
		User: middleware.User{ID: 583231, Login: "octocat"},
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: hello octocat
}
