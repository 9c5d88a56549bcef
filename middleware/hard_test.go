package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// raw sends a request with a context of its own and the given cookies, past the jar.
func (s *site) raw(ctx context.Context, method, target string, cookies []*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil).WithContext(ctx)
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

type ctxStore struct{ *memstore.MemStore }

func (c ctxStore) FindCtx(ctx context.Context, k string) ([]byte, bool, error) {
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	return c.Find(k)
}

func (c ctxStore) CommitCtx(ctx context.Context, k string, b []byte, e time.Time) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Commit(k, b, e)
}

func (c ctxStore) DeleteCtx(ctx context.Context, k string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Delete(k)
}

type awayStore struct {
	*memstore.MemStore
	away  atomic.Bool
	finds atomic.Int64
}

func (a *awayStore) Find(k string) ([]byte, bool, error) {
	a.finds.Add(1)
	if a.away.Load() {
		return nil, false, errors.New("away")
	}
	return a.MemStore.Find(k)
}

// A signed-in user signs in again (another tab, a new scope) and closes that tab while the callback runs.
func TestTabClosedDuringTheCallbackLeavesTheOthersSignedIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		b.signIn()
		callback := b.begin("/auth/github/login")
		s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Delay: 2 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.raw(ctx, http.MethodGet, callback, b.cookies("")) // The answer, with its cookies, never arrives.
		time.Sleep(3 * time.Second)
		b.wantSignedIn("octocat")
	})
}

func TestSignOutCountsThoughTheVisitorLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		b.signIn()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.raw(ctx, http.MethodPost, origin+"/auth/github/logout", b.cookies(""))
		time.Sleep(time.Minute)
		if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens alive after the last sign-out", n)
		}
		b.wantSignedOut()
	})
}

// The same where the app's sessions are in a store that heeds contexts (pgxstore, redisstore do).
func TestSignOutCountsThoughTheVisitorLeavesTheAppsSessions(t *testing.T) {
	t.Parallel()
	sm := scs.New()
	sm.Store = ctxStore{memstore.NewWithCleanupInterval(0)}
	sm.Cookie.Secure = true
	s := newSite(t, withOptions(middleware.WithSessionManager(sm)))
	b := s.browser(t)
	b.signIn()
	ctx, cancel := context.WithCancel(t.Context())
	// The visitor leaves after the request was accepted and its session loaded.
	inner := s.auth.Middleware(s.mux())
	s.handler = sm.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			cancel()
		}
		inner.ServeHTTP(w, r)
	}))
	s.raw(ctx, http.MethodPost, origin+"/auth/github/logout", b.cookies(""))
	b.wantSignedOut()
}

// Ten restored tabs really at once: no callback carries another's session cookie yet.
func TestTabsThatCameBackAtOnceAreSignedOutTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		var callbacks []string
		for range 5 {
			callbacks = append(callbacks, b.begin("/auth/github/login"))
		}
		cookies := b.cookies("")
		var mu sync.Mutex
		var last []*http.Cookie
		var wg sync.WaitGroup
		for _, c := range callbacks {
			wg.Go(func() {
				w := s.raw(t.Context(), http.MethodGet, c, cookies)
				for _, k := range w.Result().Cookies() {
					if !strings.Contains(k.Name, "attempt") {
						mu.Lock()
						last = []*http.Cookie{k}
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		w := s.raw(t.Context(), http.MethodPost, origin+"/auth/github/logout", last)
		if w.Code != http.StatusSeeOther {
			t.Fatal(w.Code)
		}
		time.Sleep(5 * time.Minute)
		if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
			t.Errorf("the only browser signed out; %d tokens still alive (orphan logins in the grant)", n)
		}
	})
}

func TestOddPathsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := newSite(t, withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
		return a.Middleware(a.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.EscapedPath())
		})))
	}))
	for _, p := range []string{"/files/a%2Fb", "/files/a//b", "/files/100%25", "/files/;x", "/files/%E2%82%AC?x=%2F#", "/files/a%5Cb", "/x%20y"} {
		b := s.browser(t)
		want, _, _ := strings.Cut(strings.TrimSuffix(p, "#"), "?")
		if got := b.get(p); got.body != want {
			t.Errorf("asked for %s, landed on %q", p, got.body)
		}
	}
}

func TestUncleanPathsDoNotReturnToOurRoutes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, rt := range []string{"/x/../auth/github/login", "/./auth/github/login", "//x", "/auth//github/login", "/x/%2e%2e/auth/github/logout", "/%09/evil.example", "/auth/github/login/."} {
		b := s.browser(t)
		cb := b.begin("/auth/github/login?return_to=" + url.QueryEscape(rt))
		p := b.still(func() page { return b.get(cb) })
		if l, _ := url.Parse(p.Header.Get("Location")); l != nil {
			if res := (&url.URL{Scheme: "https", Host: "app.example", Path: "/"}).ResolveReference(l); strings.HasPrefix(res.Path, "/auth/github/log") {
				t.Errorf("%s: returns to %s", rt, res)
			}
		}
	}
}

func TestAppsSessionStoreAwayIs503AndIsReadOnce(t *testing.T) {
	t.Parallel()
	sm := scs.New()
	st := &awayStore{MemStore: memstore.NewWithCleanupInterval(0)}
	sm.Store = st
	sm.Cookie.Secure = true
	sm.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, _ error) {
		http.Error(w, "scs", http.StatusInternalServerError)
	}
	s := newSite(t, withOptions(middleware.WithSessionManager(sm)))
	b := s.browser(t)
	b.signIn()
	st.finds.Store(0)
	b.get("/me")
	if n := st.finds.Load(); n > 1 {
		t.Errorf("%d reads of the session store for one request", n)
	}
	st.away.Store(true)
	if p := b.get("/me"); p.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("session store away: /me = %d %q, want 503", p.StatusCode, p.body)
	}
	if p := b.get("/"); p.StatusCode != http.StatusOK {
		t.Errorf("session store away: the public page = %d %q, want 200", p.StatusCode, p.body)
	}
}

func TestRedirectURLNeedsAPathOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"https://app.example", "https://app.example/", "https://app.example?x"} {
		cfg := goodConfig()
		cfg.RedirectURL = u
		a, err := middleware.New(cfg, memory.New())
		if err == nil {
			w := httptest.NewRecorder()
			a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the app got the code") })).
				ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?code=abc&state=x", nil))
			t.Errorf("New took RedirectURL %q; GET /?code= gives %d %.30q", u, w.Code, w.Body.String())
		}
	}
}

// Two apps on one GitHub host, one mux.
func TestTwoAppsAtOneGitHubKeepApart(t *testing.T) {
	t.Parallel()
	gh := githubtest.New()
	t.Cleanup(gh.Close)
	mk := func(prefix string) *middleware.Authenticator {
		cb := origin + prefix + "/callback"
		app := gh.AddApp(githubtest.App{Callbacks: []string{cb}})
		a, err := middleware.New(middleware.Config{ClientID: app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(app.Secrets[0])}, RedirectURL: cb},
			memory.New(), middleware.WithHTTPClient(&http.Client{Transport: gh.Transport()}))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, b := mk("/a"), mk("/b")
	gh.SignInAs("octocat")
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := middleware.UserFromContext(r.Context())
		_, _ = fmt.Fprint(w, ok, u.Login)
	})
	mux := http.NewServeMux()
	mux.Handle("/pa", a.Require(who))
	mux.Handle("/pb", b.Require(who))
	mux.Handle("/", who)
	s := &site{gh: gh, handler: a.Middleware(b.Middleware(mux))}
	br := s.browser(t)
	if p := br.get("/pa"); p.body != "trueoctocat" {
		t.Fatal(p.body)
	}
	if p := br.get("/"); p.body != "trueoctocat" {
		t.Errorf("signed in at a: the public page says %q", p.body)
	}
	if p := br.get("/pb"); p.body != "trueoctocat" {
		t.Fatal(p.body)
	}
	p := br.still(func() page { return br.get("/pa") })
	if p.StatusCode != http.StatusOK {
		t.Errorf("after signing in at b, a's page = %d to %.40s", p.StatusCode, p.Header.Get("Location"))
	}
}

func TestOddArgumentsDoNotPanic(t *testing.T) {
	t.Parallel()
	try := func(name string, f func()) {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s: panic %v", name, p)
			}
		}()
		f()
	}
	try("nil option", func() { _, _ = middleware.New(goodConfig(), memory.New(), nil) })
	try("Fail nil", func() {
		a, _ := middleware.New(goodConfig(), memory.New())
		a.Fail(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), nil)
	})
	try("zero scs", func() {
		_, err := middleware.New(goodConfig(), memory.New(), middleware.WithSessionManager(&scs.SessionManager{}))
		if err == nil {
			t.Error("New took a zero scs.SessionManager: no store, no codec, Lifetime 0")
		}
	})
	try("AfterLogin is login", func() {
		c := goodConfig()
		c.AfterLogin = "/auth/github/login"
		if _, err := middleware.New(c, memory.New()); err == nil {
			t.Error("New took AfterLogin = the login route: an endless sign-in")
		}
	})
}
