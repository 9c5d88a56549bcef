package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

func cookieKey(letter string) oauth.Secret { return oauth.NewSecret(strings.Repeat(letter, 32)) }

// replica is another process of s's app: it shares the store, and nothing else.
func (s *site) replica(t *testing.T, st store.Store, opts ...middleware.Option) http.Handler {
	t.Helper()
	auth, err := middleware.New(s.cfg, st, append([]middleware.Option{middleware.WithHTTPClient(&http.Client{Transport: s.gh.Transport()})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close(context.WithoutCancel(t.Context())) })
	other := *s
	other.auth = auth
	return auth.Middleware(other.mux())
}

func (b *browser) sessionCookie() *http.Cookie {
	for _, c := range b.cookies("-session") {
		if strings.HasSuffix(c.Name, "-session") {
			return c
		}
	}
	return nil
}

func TestCookieSessionsNeedNoSessionStore(t *testing.T) {
	t.Parallel()
	st := memory.New()
	s := newSite(t, withStore(st), withOptions(middleware.WithCookieSessions(cookieKey("k"))))
	one, two := s.handler, s.replica(t, st, middleware.WithCookieSessions(cookieKey("k")))
	b := s.browser(t)
	b.signIn()
	s.handler = two
	b.wantSignedIn("octocat")
	c := b.sessionCookie()
	if c == nil || len(c.Value) > 1000 || strings.Contains(c.Value, "583231") {
		t.Fatalf("the session's cookie is %v", c)
	}

	// A sign-out on one replica counts on the other, also for who has kept the cookie.
	if p := b.signOut(); p.StatusCode != http.StatusOK {
		t.Fatalf("sign-out = %d", p.StatusCode)
	}
	if b.sessionCookie() != nil {
		t.Error("the cookie is still there")
	}
	for name, h := range map[string]http.Handler{"one": one, "two": two} {
		s.handler = h
		if p := b.do(http.MethodGet, "/me", accept("*/*"), func(r *http.Request) { r.AddCookie(c) }); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("with the old cookie replica %s answers %d", name, p.StatusCode)
		}
	}
}

func TestCookieSessionsOpenWithEveryKeyAndAreSealedAnewInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		oldKey, newKey := cookieKey("a"), cookieKey("b")
		s := newSite(t, withStore(st), withOptions(middleware.WithCookieSessions(oldKey)))
		b := s.browser(t)
		b.signIn()
		first := b.sessionCookie().Value

		s.handler = s.replica(t, st, middleware.WithCookieSessions(newKey, oldKey))
		b.wantSignedIn("octocat")
		if b.sessionCookie().Value != first {
			t.Error("the cookie was sealed anew before its time")
		}
		time.Sleep(25 * time.Hour)
		b.wantSignedIn("octocat")
		if b.sessionCookie().Value == first {
			t.Error("the cookie was not sealed anew after a day")
		}
		s.handler = s.replica(t, st, middleware.WithCookieSessions(newKey))
		b.wantSignedIn("octocat")

		// Who was away has the old cookie, which the old key alone opens.
		sealedAnew := b.sessionCookie()
		b.setCookie(sealedAnew.Name, first)
		if p := b.do(http.MethodGet, "/me", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("with a cookie of a key that was taken out GET /me = %d", p.StatusCode)
		}
		b.setCookie(sealedAnew.Name, sealedAnew.Value)
		b.wantSignedIn("octocat")

		// Sealing anew does not make a login longer.
		time.Sleep(6 * 24 * time.Hour)
		if p := b.do(http.MethodGet, "/me", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("a week after the sign-in GET /me = %d", p.StatusCode)
		}
	})
}

// A page that is the same for everybody may be kept by a cache on the way, and must not hand one visitor's session to the next.
func TestCacheIsToldNotToKeepACookieThatWasSealedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withOptions(middleware.WithCookieSessions(cookieKey("k"))))
		b := s.browser(t)
		b.signIn()
		for _, renewed := range []bool{false, true} {
			p := b.get("/")
			if got := p.Header.Get("Cache-Control"); (len(p.Cookies()) > 0) != renewed || (got == `no-cache="Set-Cookie"`) != renewed {
				t.Errorf("sealed anew: %t: %d cookies, Cache-Control: %q", renewed, len(p.Cookies()), got)
			}
			time.Sleep(25 * time.Hour)
		}
	})
}

// A logo that every cache may keep for an hour came with the session's cookie, since the handler had overwritten what forbids to
// hand that on.
func TestCacheThatMayKeepAResponseHandsItsCookieToNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withOptions(middleware.WithCookieSessions(cookieKey("k"))), withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
			return a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=3600")
			}))
		}))
		b := s.browser(t)
		b.get("/auth/github/login")
		for _, renewed := range []bool{false, true} {
			p := b.get("/logo.svg")
			if got := p.Header.Get("Vary"); (len(p.Cookies()) > 0) != renewed || (got == "Cookie") != renewed {
				t.Errorf("sealed anew: %t: %d cookies, Vary: %q", renewed, len(p.Cookies()), got)
			}
			time.Sleep(25 * time.Hour)
		}
	})
}

func TestCookieSessionThatWasTamperedWithIsNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, withOptions(middleware.WithCookieSessions(cookieKey("k"))))
	b := s.browser(t)
	b.signIn()
	c := b.sessionCookie()
	for i := range len(c.Value) {
		bad := []byte(c.Value)
		if bad[i] = 'A'; c.Value[i] == 'A' {
			bad[i] = 'B'
		}
		b.setCookie(c.Name, string(bad))
		p := b.do(http.MethodGet, "/me", accept("*/*"))
		if p.StatusCode == http.StatusOK {
			t.Errorf("signed in with letter %d changed", i)
		}
	}
	for _, value := range []string{"x", "", strings.Repeat("A", 5000)} {
		b.setCookie(c.Name, value)
		if p := b.do(http.MethodGet, "/me", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET /me = %d", p.StatusCode)
		}
	}
	b.setCookie(c.Name, c.Value)
	b.wantSignedIn("octocat")
}

// Cookies of a sign-in under way are sealed with the same keys, and hold what a browser may choose.
func TestCookieOfAnAttemptIsNoSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, withOptions(middleware.WithCookieSessions(cookieKey("k"))))
	b := s.browser(t)
	b.signIn()
	session := b.sessionCookie()
	b.begin("/auth/github/login")
	attempts := b.cookies("-attempt-")
	if len(attempts) == 0 {
		t.Fatal("there is no attempt")
	}
	b.setCookie(session.Name, attempts[0].Value)
	if p := b.do(http.MethodGet, "/me", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /me = %d", p.StatusCode)
	}
}

func TestCookieSessionsOptionsThatContradictAreErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sessions := scs.New()
	sessions.Cookie.Secure = true
	for want, opts := range map[string][]middleware.Option{
		"shorter than 32 bytes": {middleware.WithCookieSessions(oauth.NewSecret("short"))},
		"has no keys":           {middleware.WithCookieSessions()},
		"both set":              {middleware.WithCookieSessions(cookieKey("k")), middleware.WithSessionManager(sessions)},
		"manager's IdleTimeout": {middleware.WithSessionManager(sessions)},
	} {
		cfg := s.cfg
		if strings.Contains(want, "Idle") {
			cfg.SessionIdleTimeout = time.Hour
		}
		if _, err := middleware.New(cfg, memory.New(), opts...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), `"short"`) {
			t.Errorf("New = %v, want that it says %q", err, want)
		}
	}
}
