package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// ASVS 7.3.1: a browser that was left alone is signed out, and one that is used is not, whoever kept its first cookie.
func TestSessionEndsWhenItIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{"scs": nil, "cookies": {middleware.WithCookieSessions(cookieKey("k"))}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, withOptions(opts...), withConfig(func(c *middleware.Config) { c.SessionIdleTimeout = 80 * time.Minute }))
				b := s.browser(t)
				b.signIn()
				first := b.sessionCookies()[0]
				for range 10 {
					time.Sleep(70*time.Minute - time.Second) // An eighth of it need not be noted.
					b.wantSignedIn("octocat")
					b.wantSignedIn("octocat")
				}
				if name == "cookies" {
					last := b.sessionCookies()[0]
					b.setCookie(first.Name, first.Value)
					b.wantSignedOut()
					b.setCookie(last.Name, last.Value)
					b.wantSignedIn("octocat")
				}
				kept := b.sessionCookies()[0]
				time.Sleep(80 * time.Minute)
				b.setCookie(kept.Name, kept.Value)
				b.wantSignedOut()
				b.signIn()
				b.wantSignedIn("octocat")
			})
		})
	}
}

// What was not used ends, but use does not keep anything beyond its lifetime.
func TestUseMakesNoLifetimeLonger(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{"scs": nil, "cookies": {middleware.WithCookieSessions(cookieKey("k"))}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, withOptions(opts...), withConfig(func(c *middleware.Config) {
					c.SessionIdleTimeout, c.SessionLifetime = time.Hour, 3*time.Hour
				}))
				b := s.browser(t)
				b.signIn()
				var kept *http.Cookie
				for range 5 {
					time.Sleep(30 * time.Minute)
					b.wantSignedIn("octocat")
					kept = b.sessionCookies()[0]
				}
				time.Sleep(30 * time.Minute)
				b.setCookie(kept.Name, kept.Value)
				b.wantSignedOut()
			})
		})
	}
}

// A sign-in that was not used went on in the grant until its lifetime was over: the button on a page that was left open ended
// nothing, and after another sign-in the last sign-out was not the last. So the token lived on at GitHub.
func TestSignOutAfterIdlingRevokesTheToken(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{"scs": nil, "cookies": {middleware.WithCookieSessions(cookieKey("k"))}} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s signed in again: %t", name, again), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, withOptions(opts...), withConfig(func(c *middleware.Config) { c.SessionIdleTimeout = time.Hour }))
					b := s.browser(t)
					b.signIn()
					time.Sleep(time.Hour)
					if again {
						b.signIn()
						logins, err := s.auth.Manager().Logins(t.Context(), grant.Session{UserID: 583231})
						if err != nil || len(logins) != 1 {
							t.Errorf("%d logins, %v; want this browser's", len(logins), err)
						}
					}
					b.signOut()
					b.wantSignedOut()
					time.Sleep(time.Minute)
					if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
						t.Errorf("%d tokens live on at GitHub", n)
					}
				})
			})
		}
	}
}

// Whoever finds a page that was left open may end what it stands for, and see or end nothing else.
func TestSessionThatWasNotUsedEndsNoOtherLogin(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{"scs": nil, "cookies": {middleware.WithCookieSessions(cookieKey("k"))}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, withOptions(opts...), withConfig(func(c *middleware.Config) { c.SessionIdleTimeout = time.Hour }))
				left, used := s.browser(t), s.browser(t)
				left.signIn()
				time.Sleep(40 * time.Minute)
				used.signIn()
				time.Sleep(40 * time.Minute)
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.AddCookie(left.sessionCookies()[0])
				if logins, err := s.auth.Logins(r); !errors.Is(err, grant.ErrSignedOut) {
					t.Errorf("Logins = %v, %v; want ErrSignedOut", logins, err)
				}
				for _, end := range []string{"others", "all"} {
					left.end(end)
					used.wantSignedIn("octocat")
				}
				left.signOut()
				used.wantSignedIn("octocat")
			})
		})
	}
}

// A store that was away for longer than a browser may be idle signed out whoever had gone on trying, where the cookie is
// the session.
func TestOutageDoesNotPassForIdling(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{"scs": nil, "cookies": {middleware.WithCookieSessions(cookieKey("k"))}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &brokenStore{Store: memory.New()}
				s := newSite(t, withStore(st), withOptions(append(opts, middleware.WithStaleness(0))...),
					withConfig(func(c *middleware.Config) { c.SessionIdleTimeout = time.Hour }))
				b := s.browser(t)
				b.signIn()
				st.away.Store(true)
				for range 12 {
					time.Sleep(10 * time.Minute)
					if p := b.do(http.MethodGet, "/me", accept("application/json")); p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("GET /me = %d, Cache-Control: %s; want 503 that no cache keeps", p.StatusCode, p.Header.Get("Cache-Control"))
					}
				}
				st.away.Store(false)
				b.wantSignedIn("octocat")
			})
		})
	}
}
