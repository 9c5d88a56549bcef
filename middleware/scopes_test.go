package middleware_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// stepped is a site with a page that needs more than a sign-in asks for.
func stepped(t *testing.T, needs string, opts ...siteOption) *site {
	t.Helper()
	opts = append([]siteOption{
		withConfig(func(c *middleware.Config) { c.Scopes = []string{"user:email"} }),
		withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler { return withDeploy(a, h, needs) }),
	}, opts...)
	return newSite(t, opts...)
}

func withDeploy(a *middleware.Authenticator, h http.Handler, needs string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/deploy", a.RequireScopes(needs)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.UserFromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s deploys %s", user.Login, r.URL.RawQuery)
	})))
	return a.Middleware(mux)
}

func (s *site) authorizations() (scopes []string) {
	for _, c := range s.gh.Calls() {
		if strings.HasSuffix(c.Path, "/login/oauth/authorize") {
			scopes = append(scopes, c.Path)
		}
	}
	return scopes
}

func TestWhoLacksAScopeIsSentForItOnceAndThenHasBoth(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo")
	b := s.browser(t)
	b.signIn()
	if p := b.get("/deploy?to=prod"); p.StatusCode != http.StatusOK || p.body != "octocat deploys to=prod" {
		t.Fatalf("GET /deploy = %d %q, want a trip to GitHub and back", p.StatusCode, p.body)
	}
	s.gh.ResetCalls()
	if p := b.get("/deploy"); p.StatusCode != http.StatusOK || len(s.authorizations()) != 0 {
		t.Errorf("GET /deploy again = %d, with %d trips to GitHub", p.StatusCode, len(s.authorizations()))
	}
	token, err := s.auth.Manager().Token(t.Context(), 583231)
	if err != nil || !slices.Contains(token.Scopes, "repo") || !slices.Contains(token.Scopes, "user:email") {
		t.Errorf("the token's scopes are %v, %v; want the new one beside the old", token.Scopes, err)
	}
	b.wantSignedIn("octocat")
}

func TestScopesAreComparedByWhatTheyCover(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo:status", withConfig(func(c *middleware.Config) { c.Scopes = []string{"repo"} }))
	b := s.browser(t)
	b.signIn()
	s.gh.ResetCalls()
	if p := b.get("/deploy"); p.StatusCode != http.StatusOK || len(s.authorizations()) != 0 {
		t.Errorf("GET /deploy = %d, with %d trips to GitHub for what repo covers", p.StatusCode, len(s.authorizations()))
	}
}

func TestScriptsAreToldWhichScopesAreMissingAndWhereToGo(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo")
	b := s.browser(t)
	b.signIn()
	p := b.do(http.MethodPost, "/deploy?x=1", accept("application/json"))
	v := problemJSON(t, p)
	if p.StatusCode != http.StatusForbidden || v["kind"] != "scope-missing" || fmt.Sprint(v["missing_scopes"]) != "[repo]" {
		t.Fatalf("POST /deploy = %d %v", p.StatusCode, v)
	}
	// A person who follows it must not end at what only scripts call.
	if p := b.get(v["login_url"].(string)); p.StatusCode != http.StatusOK || p.body != "hello octocat" {
		t.Errorf("the login_url ends with %d %q", p.StatusCode, p.body)
	}
	if p := b.do(http.MethodPost, "/deploy", accept("application/json")); p.StatusCode != http.StatusOK {
		t.Errorf("POST /deploy after it = %d", p.StatusCode)
	}
}

// A GitHub App's tokens have no scopes, and a user can take scopes away at GitHub: to ask again and again would be a loop.
func TestWhoComesBackWithoutTheScopeGetsAPageAndNoLoop(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo", withApp(githubtest.App{Kind: githubtest.GitHubApp}), withConfig(func(c *middleware.Config) { c.Scopes = nil }))
	b := s.browser(t)
	b.signIn()
	s.gh.ResetCalls()
	wantProblem(t, b.get("/deploy"), http.StatusForbidden, "This page needs more access")
	if n := len(s.authorizations()); n != 1 {
		t.Errorf("%d trips to GitHub, want 1", n)
	}
	b.wantSignedIn("octocat")
	if !strings.Contains(s.log.String(), "no use for RequireScopes") {
		t.Error("the log does not say why")
	}
}

func TestLinkCantAskForScopesThatNoHandlerNeeds(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo")
	b := s.browser(t)
	p := b.still(func() page { return b.get("/auth/github/login?scope=" + url.QueryEscape("delete_repo admin:org repo")) })
	to, err := url.Parse(p.Header.Get("Location"))
	if err != nil || to.Query().Get("scope") != "user:email repo" {
		t.Errorf("the link asks GitHub for %q", to.Query().Get("scope"))
	}
}

// The browser comes back to a replica that remembers the token from before.
func TestScopesCountAtOnceOnAReplicaThatRemembersTheOldToken(t *testing.T) {
	t.Parallel()
	st := &brokenStore{Store: memory.New()} // Not a local store, so replicas remember.
	s := stepped(t, "repo", withStore(st))
	b := s.browser(t)
	b.signIn()
	other, err := middleware.New(s.cfg, st, middleware.WithHTTPClient(&http.Client{Transport: s.gh.Transport()}), middleware.WithCookieSessions(cookieKey("k")))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if missing, err := other.Manager().MissingScopes(t.Context(), 583231, "repo"); err != nil || len(missing) != 1 {
		t.Fatalf("MissingScopes = %v, %v", missing, err)
	}
	b.get("/deploy")
	if missing, err := other.Manager().MissingScopes(t.Context(), 583231, "repo"); err != nil || len(missing) != 0 {
		t.Errorf("MissingScopes on the other replica = %v, %v", missing, err)
	}
}

func TestLinksForAccountsLeadToGitHub(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if got, want := s.auth.SettingsURL(), "https://github.com/settings/connections/applications/"+s.app.ClientID; got != want {
		t.Errorf("SettingsURL = %s, want %s", got, want)
	}
	b := s.browser(t)
	p := b.still(func() page { return b.get(s.auth.SwitchAccountURL("/x?y=1")) })
	if to, _ := url.Parse(p.Header.Get("Location")); to.Query().Get("prompt") != "select_account" {
		t.Errorf("SwitchAccountURL leads to %s", p.Header.Get("Location"))
	}
}

// The page that sends for more scopes is where GitHub's redirect ends, and so it chose the site: a link to
// https://app.example//evil.example/deploy led to evil.example, by way of GitHub, where a router passes such paths on.
func TestPageThatNeedsMoreScopesLeadsNobodyAway(t *testing.T) {
	t.Parallel()
	s := stepped(t, "repo", withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		deploy := a.RequireScopes("repo")(h)
		return a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/deploy") {
				deploy.ServeHTTP(w, r)
				return
			}
			h.ServeHTTP(w, r)
		}))
	}))
	for path, want := range map[string]string{
		"//evil.example/deploy":                    "/",
		"///evil.example/deploy":                   "/",
		"/%2fevil.example/deploy":                  "/",
		"/%5cevil.example/deploy":                  "/",
		"/.//evil.example/deploy":                  "/",
		"/x/%2e%2e//evil.example/deploy":           "/",
		"/deploy?x=" + strings.Repeat("x", 5000):   "/", // No browser would keep the cookie.
		"/evil.example/deploy?to=//evil.example/x": "/evil.example/deploy?to=//evil.example/x",
	} {
		b := s.browser(t)
		b.signIn()
		back := b.begin(path)
		if p := b.still(func() page { return b.get(back) }); p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != want {
			t.Errorf("%.60s ends with %d at %.60q, want %q", path, p.StatusCode, p.Header.Get("Location"), want)
		}
		if err := s.auth.Manager().Forget(t.Context(), 583231); err != nil {
			t.Fatal(err)
		}
		s.gh.RevokeUser(s.app.ClientID, 583231) // So that the next one lacks the scope again.
	}
}

// A link that named a scope two thousand times made a cookie that no browser keeps, and that took back the sign-ins under way in
// the browser's other tabs.
func TestLinkThatRepeatsAScopeIsAsGoodAsAnother(t *testing.T) {
	t.Parallel()
	b := stepped(t, "repo").browser(t)
	tab := b.begin("/auth/github/login?return_to=/me")
	link := b.begin("/auth/github/login?return_to=/deploy&scope=" + strings.Repeat("repo+", 2000))
	for _, c := range b.cookies("attempt") {
		if size := len(c.Name) + len(c.Value); size > 4096 {
			t.Errorf("the cookie of an attempt has %d bytes", size)
		}
	}
	for callback, want := range map[string]string{tab: "you are octocat at /me", link: "octocat deploys "} {
		if p := b.get(callback); p.body != want {
			t.Errorf("a sign-in ends with %d %.80q, want %q", p.StatusCode, p.body, want)
		}
	}
}
