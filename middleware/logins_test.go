package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

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
