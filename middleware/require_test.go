package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

func accept(media string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Accept", media) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// The login route leaves OPTIONS to the app. Anybody can send that, which must not pass for an error in how it is mounted.
func TestOptionsOfTheLoginRouteIsNoErrorOfTheOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.handler = s.auth.Middleware(s.auth.Require(s.mux()))
	if p := s.browser(t).do(http.MethodOptions, "/auth/github/login", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("OPTIONS = %d", p.StatusCode)
	}
	if strings.Contains(s.log.String(), "did not reach") {
		t.Error("the log says that the middleware is missing")
	}
}

func TestScriptsGetProblemJSONAndPeopleGetTheLoginPage(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	for name, c := range map[string]struct {
		method string
		change []func(*http.Request)
		status int
		kind   string // Of the content.
	}{
		"navigation":             {http.MethodGet, nil, http.StatusFound, ""},
		"navigation by its mode": {http.MethodGet, []func(*http.Request){header("Sec-Fetch-Mode", "navigate")}, http.StatusFound, ""},
		"head":                   {http.MethodHead, nil, http.StatusFound, ""},
		"curl":                   {http.MethodGet, []func(*http.Request){accept("*/*")}, http.StatusUnauthorized, "application/problem+json"},
		"no Accept":              {http.MethodGet, []func(*http.Request){accept("")}, http.StatusUnauthorized, "application/problem+json"},
		"JSON":                   {http.MethodGet, []func(*http.Request){accept("application/json")}, http.StatusUnauthorized, "application/problem+json"},
		"html refused":           {http.MethodGet, []func(*http.Request){accept("application/json, text/html;q=0")}, http.StatusUnauthorized, "application/problem+json"},
		"script that wants html": {http.MethodGet, []func(*http.Request){header("Sec-Fetch-Mode", "cors")}, http.StatusUnauthorized, "text/html"},
		"a form":                 {http.MethodPost, nil, http.StatusUnauthorized, "text/html"},
		"a script's post":        {http.MethodPost, []func(*http.Request){accept("application/json")}, http.StatusUnauthorized, "application/problem+json"},
	} {
		p := b.still(func() page { return b.do(c.method, "/me?x=1", c.change...) })
		if p.StatusCode != c.status || !strings.HasPrefix(p.Header.Get("Content-Type"), c.kind) {
			t.Errorf("%s = %d %s, want %d %s", name, p.StatusCode, p.Header.Get("Content-Type"), c.status, c.kind)
		}
		if c.status == http.StatusFound && p.Header.Get("Location") != "/auth/github/login?return_to=%2Fme%3Fx%3D1" {
			t.Errorf("%s leads to %s", name, p.Header.Get("Location"))
		}
		if p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %q", name, p.Header.Get("Cache-Control"))
		}
	}
}

func TestProblemJSONSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	p := b.do(http.MethodGet, "/me", accept("application/json"))
	v := problemJSON(t, p)
	for field, want := range map[string]any{
		"status": 401.0, "kind": "sign-in-required", "login_url": "/auth/github/login", "title": "Sign in to continue",
		"type": "https://github.com/ghlogin/ghlogin/blob/main/docs/errors.md#sign-in-required",
	} {
		if v[field] != want {
			t.Errorf("%s = %v, want %v", field, v[field], want)
		}
	}
	if got := p.Header.Get("WWW-Authenticate"); !strings.Contains(got, `"/auth/github/login"`) {
		t.Errorf("WWW-Authenticate: %q", got)
	}
}

func TestRequiredPagesAreNotKeptForTheBackButton(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.signIn()
	if p := b.get("/me"); p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Vary") != "Cookie" {
		t.Errorf("Cache-Control: %q, Vary: %q", p.Header.Get("Cache-Control"), p.Header.Get("Vary"))
	}
}

// brokenStore is a store that can be away.
type brokenStore struct {
	store.Store
	away atomic.Bool
}

func (s *brokenStore) Get(ctx context.Context, key string) (store.Entry, error) {
	if s.away.Load() {
		return store.Entry{}, errors.New("vault is sealed")
	}
	return s.Store.Get(ctx, key)
}

func (s *brokenStore) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	if s.away.Load() {
		return "", errors.New("vault is sealed")
	}
	return s.Store.Put(ctx, key, e)
}

func TestStoreAwayIs503AndSignsNobodyOut(t *testing.T) {
	t.Parallel()
	st := &brokenStore{Store: memory.New()}
	b := newSite(t, withStore(st), withOptions(middleware.WithStaleness(0))).browser(t)
	b.signIn()
	st.away.Store(true)
	wantProblem(t, b.get("/me"), http.StatusServiceUnavailable, "Please try again in a moment")
	p := b.do(http.MethodGet, "/me", accept("application/json"))
	if v := problemJSON(t, p); p.StatusCode != http.StatusServiceUnavailable || v["kind"] != "try-again" || p.Header.Get("Retry-After") == "" {
		t.Errorf("GET /me = %d %v, Retry-After %q", p.StatusCode, v, p.Header.Get("Retry-After"))
	}
	if strings.Contains(p.body, "vault") {
		t.Errorf("the visitor is told of the store's troubles: %s", p.body)
	}
	if p := b.get("/"); p.StatusCode != http.StatusOK {
		t.Errorf("a page for everybody = %d", p.StatusCode)
	}
	st.away.Store(false)
	b.wantSignedIn("octocat")
}

func TestOutageOfTheStoreGoesUnnoticedWhileWhatIsKnownIsGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &brokenStore{Store: memory.New()}
		b := newSite(t, withStore(st)).browser(t)
		b.signIn()
		st.away.Store(true)
		for range 50 {
			time.Sleep(time.Minute)
			if p := b.get("/me"); p.body != "you are octocat at /me" {
				t.Fatalf("GET /me = %d %q", p.StatusCode, p.body)
			}
		}
		time.Sleep(time.Hour) // Who has signed out elsewhere can't be known for ever.
		wantProblem(t, b.get("/me"), http.StatusServiceUnavailable, "Please try again in a moment")
		st.away.Store(false)
		b.wantSignedIn("octocat")
	})
}

func TestRevokedTokenLeadsThroughSignInOnceMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, withApp(githubtest.App{NoExpiry: true}))
	b := s.browser(t)
	b.signIn()
	s.gh.RevokeUser(s.app.ClientID, 583231)
	// The first call meets GitHub's 401; from then on the grant says that a sign-in is due.
	for range 2 {
		if p := b.do(http.MethodGet, "/me", accept("application/json")); p.StatusCode != http.StatusUnauthorized || problemJSON(t, p)["reason"] != "revoked" {
			t.Errorf("GET /me = %d %s", p.StatusCode, p.body)
		}
	}
	if p := b.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("GET /me = %d %q, want a sign-in and back", p.StatusCode, p.body)
	}
}

func TestPagesThatAskGitHubNothingAlsoWaitForANewSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, withApp(githubtest.App{NoExpiry: true}))
	b := s.browser(t)
	b.signIn()
	s.gh.RevokeUser(s.app.ClientID, 583231)
	b.do(http.MethodGet, "/me", accept("*/*")) // Meets the 401.
	s.handler = s.auth.Middleware(s.auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a handler ran for a user who withdrew the app's access")
	})))
	if p := b.do(http.MethodGet, "/quiet", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /quiet = %d", p.StatusCode)
	}
}

func TestRefreshRefusedInTheMiddleOfARequestLeadsThroughSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}))
		b := s.browser(t)
		b.signIn()
		s.gh.RevokeUser(s.app.ClientID, 583231)
		time.Sleep(8 * time.Hour)
		if p := b.get("/me"); p.body != "you are octocat at /me" {
			t.Errorf("GET /me = %d %q, want a sign-in and back", p.StatusCode, p.body)
		}
	})
}

func TestSessionEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withConfig(func(c *middleware.Config) { c.SessionLifetime = time.Hour }))
		b := s.browser(t)
		b.signIn()
		kept := b.sessionCookies()[0]
		time.Sleep(time.Hour)
		b.setCookie(kept.Name, kept.Value)
		b.wantSignedOut()
	})
}

// An app's own page took the problem JSON from scripts.
func TestOwnPageLeavesScriptsToUs(t *testing.T) {
	t.Parallel()
	var s *site
	s = newSite(t, withOptions(middleware.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, p *middleware.Problem) {
		if r.Header.Get("Accept") != "text/html" {
			s.auth.WriteProblem(w, r, p)
			return
		}
		w.WriteHeader(p.Status())
		_, _ = io.WriteString(w, "our own page")
	}, middleware.KindSignIn)))
	b := s.browser(t)
	if p := b.do(http.MethodGet, "/me", accept("text/html")); p.StatusCode != http.StatusUnauthorized || p.body != "our own page" {
		t.Errorf("a browser gets %d %q", p.StatusCode, p.body)
	}
	p := b.do(http.MethodGet, "/me", accept("application/json"))
	if p.StatusCode != http.StatusUnauthorized || p.Header.Get("Content-Type") != "application/problem+json" || p.Header.Get("WWW-Authenticate") == "" ||
		p.Header.Get("Cache-Control") != "no-store" || !strings.Contains(p.body, `"login_url"`) {
		t.Errorf("a script gets %d %v %q", p.StatusCode, p.Header, p.body)
	}
}

func TestRequireWorksWithoutMiddlewareAroundIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/auth/github/", a.Middleware(http.NotFoundHandler()))
		mux.Handle("/", h)
		return mux
	}))
	b := s.browser(t)
	if p := b.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
	}
	if p := b.get("/auth/github/other"); p.StatusCode != http.StatusNotFound {
		t.Errorf("a path beside the routes = %d", p.StatusCode)
	}
}

// The login route never arrives: without a word this would go round and round.
func TestForgottenMiddlewareAndMountPathAreSaidNotLoopedOver(t *testing.T) {
	t.Parallel()
	for name, o := range map[string][]siteOption{
		"no Middleware": {withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler { return a.Require(h) })},
		"no MountPath": {
			withConfig(func(c *middleware.Config) { c.RedirectURL = origin + "/app/auth/github/callback" }),
			withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
				return http.StripPrefix("/app", a.Middleware(a.Require(h)))
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, o...)
			wantProblem(t, s.browser(t).get("/app/x"), http.StatusInternalServerError, "Something went wrong")
			if !strings.Contains(s.log.String(), "MountPath") {
				t.Error("the log does not say what to do")
			}
		})
	}
}

// GitHub reports a wrong redirect URL at the registered one, which is another.
func TestRedirectURLMismatchIsLoggedWhereverItArrives(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	for range 3 {
		b.get("/elsewhere?error=redirect_uri_mismatch&state=x")
	}
	if n := strings.Count(s.log.String(), "redirect_uri_mismatch"); n != 1 {
		t.Errorf("it was logged %d times, want once", n)
	}
}

func TestHerdOfRequestsAtExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}), withConfig(func(c *middleware.Config) { c.SessionLifetime = 24 * time.Hour }))
		b := s.browser(t)
		b.signIn()
		time.Sleep(8 * time.Hour)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if p := b.get("/me"); p.body != "you are octocat at /me" {
					t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
				}
			})
		}
		wg.Wait()
		if n := s.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestFailTellsSignInTroubleFromGitHubTrouble(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.signIn()
	s.gh.Inject(githubtest.Fault{Match: func(r *http.Request) bool { return r.URL.Path == "/user" }, Status: http.StatusNotFound, Body: `{"message":"Not Found"}`})
	wantProblem(t, b.get("/me"), http.StatusBadGateway, "GitHub could not do this")
	b.wantSignedIn("octocat")
}

func TestCallWithoutAnAnswerIsTryAgainAndNoAnswerOfGitHubs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.signIn()
	s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), LoseAnswer: true})
	p := b.get("/me")
	wantProblem(t, p, http.StatusServiceUnavailable, "Please try again in a moment")
	if p.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After: %q", p.Header.Get("Retry-After"))
	}
	b.wantSignedIn("octocat")
}

// Require on single routes, and nothing around the mux: a visitor is sent to where nobody answers.
func TestForgottenMiddlewareIsSaidOnceInTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, withWrap(func(_ *middleware.Authenticator, h http.Handler) http.Handler { return h }))
	b := s.browser(t)
	for range 3 {
		if p := b.get("/me"); p.StatusCode == http.StatusOK && strings.HasPrefix(p.body, "you are") {
			t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
		}
	}
	if n := strings.Count(s.log.String(), "nothing answers the login route"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

// Whoever was refused at a deep link, or met an outage there, was led to the start page by the button that should mend it.
func TestProblemsOfAPageLeadBackToIt(t *testing.T) {
	t.Parallel()
	const page = "/me?of=a%26b"
	for name, tt := range map[string]struct {
		err  error
		link string
	}{
		"a no":           {&middleware.Refusal{}, `href="/auth/github/login?prompt=select_account&amp;return_to=%2Fme%3Fof%3Da%2526b"`},
		"a missing look": {&middleware.Refusal{Kind: middleware.KindSSO}, `href="/auth/github/login?return_to=%2Fme%3Fof%3Da%2526b"`},
		"an outage":      {errors.New("the list of bans does not answer"), `href="/me?of=a%26b">Try again`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var answer error
				gate := middleware.GateFunc(func(context.Context, middleware.Identity) error { return answer })
				s := newSite(t, withOptions(middleware.WithGate(gate), middleware.WithGateGrace(0)))
				b := s.browser(t)
				b.signIn()
				answer = tt.err
				time.Sleep(middleware.DefaultGateInterval)
				if p := b.get(page); !strings.Contains(p.body, tt.link) {
					t.Errorf("GET %s = %d, want the link %s in %q", page, p.StatusCode, tt.link, p.body)
				}
			})
		})
	}
}

// The button tries the page again, and no other site that its path looks like.
func TestTryAgainLeadsToNoOtherSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
		return a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Fail(w, r, oauth.ErrTryLater) }))
	}))
	for _, path := range []string{"//evil.example/x", `/\evil.example`, "/%2fevil.example", "/%5cevil.example"} {
		p := s.browser(t).get(origin + path)
		wantProblem(t, p, http.StatusServiceUnavailable, `href="/">Try again`)

		// A handler of the app's own may have put it there.
		rec, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", "text/html")
		s.auth.WriteProblem(rec, r, &middleware.Problem{Kind: middleware.KindUnavailable, ReturnTo: path})
		if !strings.Contains(rec.Body.String(), `href="/">Try again`) {
			t.Errorf("of %q: %s", path, rec.Body)
		}
	}
}

// An app that wants its own error pages does not want its visitors to stop being sent to sign in.
func TestOwnErrorPagesLeaveTheWayToSignIn(t *testing.T) {
	t.Parallel()
	var returnTo string
	own := func(w http.ResponseWriter, _ *http.Request, p *middleware.Problem) {
		returnTo = p.ReturnTo
		w.WriteHeader(http.StatusTeapot)
	}
	for want, kinds := range map[int][]middleware.Kind{http.StatusFound: nil, http.StatusTeapot: {middleware.KindSignIn}} {
		s := newSite(t, withOptions(middleware.WithErrorHandler(own, kinds...)))
		b := s.browser(t)
		p := b.still(func() page { return b.get("/me?x=1") })
		if p.StatusCode != want || p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("with kinds %v: %d, Cache-Control %q; want %d", kinds, p.StatusCode, p.Header.Get("Cache-Control"), want)
		}
	}
	if returnTo != "/me?x=1" {
		t.Errorf("the app's page leads back to %q", returnTo)
	}
}
