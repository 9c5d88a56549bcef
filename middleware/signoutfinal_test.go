package middleware_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// everySessions are the ways to keep sessions. What is promised about signing out holds with each.
func everySessions() map[string][]middleware.Option {
	sm := scs.New()
	sm.Cookie.Secure = true
	sm.IdleTimeout = time.Hour
	return map[string][]middleware.Option{
		"our own":                     nil,
		"in cookies":                  {middleware.WithCookieSessions(cookieKey("k"))},
		"the app's, with IdleTimeout": {middleware.WithSessionManager(sm)},
	}
}

// On a replica that remembers, a thief's session lives on for the staleness. It must not be able to strike back.
func TestSessionThatWasEndedElsewhereEndsNoOtherOnAReplicaThatRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &brokenStore{Store: memory.New()}
		key := middleware.WithCookieSessions(cookieKey("k"))
		s := newSite(t, withStore(st), withOptions(key))
		one, two := s.handler, s.replica(t, st, key)
		thief, owner := s.browser(t), s.browser(t)
		thief.signIn()
		owner.signIn()
		kept := thief.cookies("")
		s.handler = two
		thief.wantSignedIn("octocat")
		victim := owner.wantLogins(2)[0].ID

		s.handler = one
		owner.end("others")
		s.handler = two
		thief.wantSignedIn("octocat") // Within the staleness bound.
		for _, which := range []string{"all", "others", victim} {
			for _, c := range kept {
				thief.setCookie(c.Name, c.Value)
			}
			if p := thief.end(which); p.StatusCode != http.StatusUnauthorized {
				t.Errorf("end=%s by who was signed out = %d", which, p.StatusCode)
			}
		}
		owner.wantSignedIn("octocat")
		s.handler = one
		owner.wantSignedIn("octocat")
		owner.wantLogins(1)
	})
}

func TestSignOutOnAnotherReplicaCountsWithinTheStaleness(t *testing.T) {
	t.Parallel()
	for name, staleness := range map[string]time.Duration{"ten seconds": 10 * time.Second, "none": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &brokenStore{Store: memory.New()}
				opts := []middleware.Option{middleware.WithCookieSessions(cookieKey("k")), middleware.WithStaleness(staleness)}
				s := newSite(t, withStore(st), withOptions(opts...))
				one, two := s.handler, s.replica(t, st, opts...)
				b := s.browser(t)
				b.signIn()
				s.handler = two
				b.wantSignedIn("octocat")
				kept := b.sessionCookie()
				s.handler = one
				b.signOut()
				b.setCookie(kept.Name, kept.Value)
				b.wantSignedOut() // At once where it was done.
				s.handler = two
				if staleness > 0 {
					b.wantSignedIn("octocat") // What it remembers is the bound.
					time.Sleep(staleness)
				}
				b.wantSignedOut()
				if p := b.do(http.MethodGet, "/me", accept("*/*")); p.StatusCode != http.StatusUnauthorized {
					t.Errorf("GET /me = %d", p.StatusCode)
				}
			})
		})
	}
}

// Requests that began before a sign-out, were slow, and changed the app's session: scs writes it back after Destroy.
func TestRequestsInFlightBringNoSessionBack(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(b *browser, id string){
		"own":        func(b *browser, _ string) { b.signOut() },
		"everywhere": func(b *browser, _ string) { b.end("all") },
		"by its id":  func(b *browser, id string) { b.end(id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const inFlight = 5
			sm := scs.New()
			sm.Cookie.Secure = true
			sm.IdleTimeout = time.Hour
			inside, goOn := make(chan bool), make(chan bool)
			s := newSite(t, withOptions(middleware.WithSessionManager(sm)), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/", h)
				mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
					sm.Put(r.Context(), "cart", r.URL.RawQuery)
					inside <- true
					<-goOn
				})
				return sm.LoadAndSave(a.Middleware(mux))
			}))
			b := s.browser(t)
			b.signIn()
			kept := b.cookies("session")[0]
			id := b.wantLogins(1)[0].ID
			done := make(chan bool)
			for i := range inFlight {
				other := s.browser(t)
				other.setCookie(kept.Name, kept.Value)
				go func() {
					other.get(fmt.Sprint("/slow?", i))
					done <- true
				}()
				<-inside
			}
			out(b, id)
			close(goOn)
			for range inFlight {
				<-done
			}
			b.wantSignedOut()
			b.setCookie(kept.Name, kept.Value)
			b.wantSignedOut()
		})
	}
}

// GitHub is away when the last browser signs out: that is answered at once, and the token revoked when GitHub is back.
func TestSignOutAnswersAtOnceAndRevokesWhenGitHubIsBack(t *testing.T) {
	t.Parallel()
	for name, whole := range map[string]bool{"the token": false, "the authorization": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, fault := range map[string]githubtest.Fault{
				"hangs": {Hang: true}, "fails": {Status: http.StatusBadGateway}, "refuses the app": {Status: http.StatusUnauthorized, Body: "{}"},
			} {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := newSite(t, withConfig(func(c *middleware.Config) { c.RevokeAuthorization = whole }))
						page, script := s.browser(t), s.browser(t)
						page.signIn()
						script.signIn()
						s.signInElsewhere(t)
						time.Sleep(time.Minute)
						remove := s.gh.Inject(fault)
						began := time.Now()
						if p := page.still(page.signOut); p.StatusCode != http.StatusSeeOther {
							t.Errorf("a page's sign-out = %d", p.StatusCode)
						}
						if p := script.do(http.MethodPost, "/auth/github/logout", accept("*/*")); p.StatusCode != http.StatusNoContent {
							t.Errorf("a script's sign-out = %d", p.StatusCode)
						}
						if took := time.Since(began); took != 0 {
							t.Errorf("they waited %v for GitHub", took)
						}
						time.Sleep(2 * time.Minute)
						if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 2 {
							t.Fatalf("%d tokens are alive", n)
						}
						remove()
						time.Sleep(2 * time.Minute)
						want := 1
						if whole {
							want = 0
						}
						if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != want {
							t.Errorf("%d tokens are alive when GitHub is back, want %d", n, want)
						}
					})
				})
			}
		})
	}
}

// signInElsewhere signs the user in at another deployment of the app, which has a store of its own.
func (s *site) signInElsewhere(t *testing.T) {
	t.Helper()
	here := s.handler
	s.handler = s.replica(t, memory.New())
	s.browser(t).signIn()
	s.handler = here
}

// A cookie session is sealed anew by a request that was under way when its user signed out: the cookie comes back, and is
// worth nothing.
func TestCookieThatARequestInFlightSealedAnewSignsNobodyIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan bool), make(chan bool)
		s := newSite(t, withOptions(middleware.WithCookieSessions(cookieKey("k"))), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/", h)
			mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { inside <- true; <-goOn })
			return a.Middleware(mux)
		}))
		b, slow := s.browser(t), s.browser(t)
		b.signIn()
		kept := b.sessionCookie()
		time.Sleep(25 * time.Hour)
		slow.setCookie(kept.Name, kept.Value)
		done := make(chan bool)
		go func() {
			slow.get("/slow")
			done <- true
		}()
		<-inside
		b.signOut()
		goOn <- true
		<-done
		if c := slow.sessionCookie(); c == nil || c.Value == kept.Value {
			t.Fatalf("the request that was under way did not bring the cookie back: %v", c)
		}
		slow.wantSignedOut()
	})
}

func TestRequestInFlightActsForNobodyAfterTheSignOut(t *testing.T) {
	t.Parallel()
	for name, sessions := range everySessions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inside, goOn := make(chan bool), make(chan bool)
			s := newSite(t, withOptions(sessions...), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/", h)
				mux.Handle("/slow", a.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					gh, _ := middleware.ClientFromContext(r.Context())
					inside <- true
					<-goOn
					if _, _, err := gh.Users.Get(r.Context(), ""); err != nil {
						a.Fail(w, r, err)
					}
				})))
				return a.Middleware(mux)
			}))
			b := s.browser(t)
			b.signIn()
			answer := make(chan page)
			go func() { answer <- b.do(http.MethodGet, "/slow", accept("*/*")) }()
			<-inside
			b.signOut()
			goOn <- true
			if p := <-answer; p.StatusCode != http.StatusUnauthorized {
				t.Errorf("a request that was under way = %d %s", p.StatusCode, p.body)
			}
		})
	}
}
