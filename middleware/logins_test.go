package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
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

// logins is what a page of the site would list for this browser.
func (b *browser) logins() ([]middleware.Login, error) {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, origin+"/settings", nil)
	for _, c := range b.cookies("") {
		r.AddCookie(c)
	}
	return b.site.auth.Logins(r)
}

func (b *browser) wantLogins(want int) []middleware.Login {
	b.t.Helper()
	list, err := b.logins()
	if err != nil || len(list) != want {
		b.t.Fatalf("Logins = %+v, %v; want %d", list, err, want)
	}
	return list
}

func userAgent(name string) func(*http.Request) { return header("User-Agent", name) }

// signInAs signs in with a browser that calls itself something.
func (b *browser) signInAs(name string) {
	b.t.Helper()
	b.do(http.MethodGet, "/auth/github/login", userAgent(name))
	b.wantSignedIn("octocat")
}

// end posts the form of a page that lists logins.
func (b *browser) end(which string, change ...func(*http.Request)) page {
	b.t.Helper()
	return b.do(http.MethodPost, "/auth/github/logout", append([]func(*http.Request){form("end", which, "return_to", "/me?tab=logins")}, change...)...)
}

func form(fields ...string) func(*http.Request) {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return func(r *http.Request) {
		body := values.Encode()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

func TestUserEndsOneOfThreeLoginsFromAPage(t *testing.T) {
	t.Parallel()
	for name, sessions := range everySessions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, withOptions(sessions...))
				laptop, phone, lost := s.browser(t), s.browser(t), s.browser(t)
				lost.signInAs("lost")
				phone.signInAs("phone")
				laptop.signInAs("laptop")
				time.Sleep(time.Minute)
				list := laptop.wantLogins(3)
				if !list[0].Current || list[0].UserAgent != "laptop" || list[1].Current || list[2].Current {
					t.Errorf("the laptop's list = %+v", list)
				}
				if theirs := phone.wantLogins(3); !theirs[0].Current || theirs[0].UserAgent != "phone" {
					t.Errorf("the phone's list = %+v", theirs)
				}
				for _, l := range list {
					if l.UserAgent == "lost" {
						if p := laptop.end(l.ID); p.at() != origin+"/me?tab=logins" || p.body != "you are octocat at /me?tab=logins" {
							t.Errorf("after it the page is %s %q", p.at(), p.body)
						}
					}
				}
				lost.wantSignedOut()
				if _, err := lost.logins(); !errors.Is(err, grant.ErrSignedOut) {
					t.Errorf("Logins of one that has ended = %v, want ErrSignedOut", err)
				}
				phone.wantSignedIn("octocat")
				if p := phone.get("/me"); p.body != "you are octocat at /me" {
					t.Errorf("the phone's /me = %q", p.body)
				}
				laptop.wantLogins(2)
				// The last ones end with the token.
				laptop.end(phone.wantLogins(2)[0].ID)
				phone.wantSignedOut()
				if p := laptop.end(laptop.wantLogins(1)[0].ID); p.at() != origin+"/" || len(laptop.sessionCookies()) != 0 {
					t.Errorf("one's own login ends at %s, with cookies %v", p.at(), laptop.sessionCookies())
				}
				laptop.wantSignedOut()
				time.Sleep(time.Minute)
				if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
					t.Errorf("%d tokens are alive at GitHub", n)
				}
			})
		})
	}
}

func TestSignOutEverywhereAndEverywhereElse(t *testing.T) {
	t.Parallel()
	for name, sessions := range everySessions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, withOptions(sessions...))
			a, b, c := s.browser(t), s.browser(t), s.browser(t)
			for _, each := range []*browser{a, b, c} {
				each.signIn()
			}
			a.end("others")
			a.wantSignedIn("octocat")
			b.wantSignedOut()
			c.wantSignedOut()
			b.signIn()
			if p := a.end("all"); p.at() != origin+"/" {
				t.Errorf("after all have ended the page is %s", p.at())
			}
			a.wantSignedOut()
			b.wantSignedOut()
		})
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

func TestNoOtherSiteEndsALogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.browser(t), s.browser(t)
	a.signIn()
	b.signIn()
	for _, which := range []string{"others", "all", b.wantLogins(2)[0].ID} {
		for _, change := range []func(*http.Request){header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"), header("Origin", "https://evil.example")} {
			wantProblem(t, a.end(which, change), http.StatusForbidden, "Nothing was changed")
		}
		if p := a.do(http.MethodGet, "/auth/github/logout?end="+which); p.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET = %d", p.StatusCode)
		}
	}
	a.wantLogins(2)
	// A link can't put words into a form either: the query of a POST asks for nothing.
	a.do(http.MethodPost, "/auth/github/logout?end=all")
	a.wantSignedOut()
	b.wantSignedIn("octocat")
}

func TestNobodyEndsTheLoginOfAnotherUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	victim, mallory := s.browser(t), s.browser(t)
	victim.signIn()
	id := victim.wantLogins(1)[0].ID
	s.gh.AddUser(githubtest.User{ID: 2, Login: "mallory"})
	s.gh.SignInAs("mallory")
	mallory.get("/auth/github/login")
	mallory.wantSignedIn("mallory")
	mallory.wantLogins(1)
	stranger := s.browser(t)
	for _, which := range []string{id, "others", "583231"} {
		mallory.end(which)
		if p := stranger.end(which, accept("*/*")); p.StatusCode != http.StatusUnauthorized || problemJSON(t, p)["kind"] != "sign-in-required" {
			t.Errorf("a stranger's end=%s = %d %s", which, p.StatusCode, p.body)
		}
	}
	mallory.end("all")
	victim.wantSignedIn("octocat")
	if _, err := stranger.logins(); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("a stranger's Logins = %v", err)
	}
	// As a cookie the id is worth nothing.
	for _, c := range victim.sessionCookies() {
		stranger.setCookie(c.Name, id)
		stranger.wantSignedOut()
	}
}

func TestOddSignOutFormsEndThisBrowsersLoginOrNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*http.Request)
		at     string
		here   bool
	}{
		"an unknown id":           {form("end", "x"), "/", true},
		"return to another site":  {form("end", "x", "return_to", "https://evil.example/"), "/", true},
		"return to //":            {form("end", "x", "return_to", "//evil.example/"), "/", true},
		"return to our own route": {form("end", "x", "return_to", "/auth/github/logout"), "/", true},
		"an empty field":          {form("end", ""), "/", false},
		"too long":                {form("end", strings.Repeat("x", 1<<20)), "/", false},
		"no form": {func(r *http.Request) {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			r.Body = io.NopCloser(strings.NewReader("--nonsense"))
		}, "/", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			a, b := s.browser(t), s.browser(t)
			a.signIn()
			b.signIn()
			if p := a.do(http.MethodPost, "/auth/github/logout", c.change); p.StatusCode != http.StatusOK || p.at() != origin+c.at {
				t.Errorf("%d at %s", p.StatusCode, p.at())
			}
			if c.here {
				a.wantSignedIn("octocat")
			} else {
				a.wantSignedOut()
			}
			b.wantSignedIn("octocat")
		})
	}
}

func TestScriptsEndLoginsWithoutAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.browser(t), s.browser(t)
	a.signIn()
	b.signIn()
	if p := a.end(b.wantLogins(2)[0].ID, accept("*/*")); p.StatusCode != http.StatusNoContent {
		t.Errorf("%d", p.StatusCode)
	}
	b.wantSignedOut()
	a.wantSignedIn("octocat")
}

func TestStoreAwayEndsNothingElsewhereAndSaysSo(t *testing.T) {
	t.Parallel()
	st := &brokenStore{Store: memory.New()}
	s := newSite(t, withStore(st))
	a, b := s.browser(t), s.browser(t)
	a.signIn()
	b.signIn()
	id := b.wantLogins(2)[0].ID
	for _, which := range []string{id, "others", "all"} {
		st.away.Store(true)
		wantProblem(t, a.end(which), http.StatusServiceUnavailable, "Please try again")
		st.away.Store(false)
		b.wantLogins(2)
	}
	a.wantSignedOut() // As with every sign-out, what can be ended without the store is: this browser's.
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

func TestPagesMoveWhenALoginWasLastSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, withOptions(middleware.WithLastSeen(10*time.Minute)))
		b := s.browser(t)
		b.signIn()
		for range 3 {
			time.Sleep(11 * time.Minute)
			used := time.Now()
			b.wantSignedIn("octocat")
			time.Sleep(time.Minute)
			if got := b.wantLogins(1)[0].LastSeen; !got.Equal(used) {
				t.Errorf("last seen %v, used %v", got, used)
			}
		}
		if _, err := middleware.New(s.cfg, memory.New(), middleware.WithLastSeen(time.Second)); err == nil {
			t.Error("New took WithLastSeen(1s)")
		}
	})
}
