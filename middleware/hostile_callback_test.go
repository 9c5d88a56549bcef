package middleware_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
)

// query returns a parameter of an address.
func query(t *testing.T, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

func callbackWith(state, code string) string {
	return "/auth/github/callback?" + url.Values{"state": {state}, "code": {code}}.Encode()
}

// The attacker finishes their own sign-in at GitHub and has the victim's browser open the callback. If that counted, the
// victim would work in the attacker's account.
func TestVictimIsNotSignedInByAnAttackersCallback(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]bool{"with no sign-in of their own under way": false, "with one under way": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.gh.AddUser(githubtest.User{ID: 666, Login: "attacker"})
			s.gh.SignInAs("attacker")
			link := s.browser(t).begin("/auth/github/login")
			victim := s.browser(t)
			if begun {
				victim.begin("/auth/github/login")
			}
			wantProblem(t, victim.get(link), http.StatusBadRequest, "no longer valid")
			victim.wantSignedOut()
			if n := s.gh.TokenRequests(""); n != 0 {
				t.Errorf("GitHub was asked for a token %d times", n)
			}
		})
	}
}

// The state alone binds the callback to the browser, not the code to the state: that is PKCE's. Here the attacker has got
// hold of one half and puts it to the other half of somebody else's.
func TestCodeOfAnotherSignInIsRefused(t *testing.T) {
	t.Parallel()
	for name, whose := range map[string]struct{ code, state string }{
		"an attacker's code under the victim's state": {"attacker", "octocat"},
		"the victim's code under an attacker's state": {"octocat", "attacker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.gh.AddUser(githubtest.User{ID: 666, Login: "attacker"})
				callbacks, browsers := map[string]string{}, map[string]*browser{}
				for _, login := range []string{"octocat", "attacker"} {
					s.gh.SignInAs(login)
					browsers[login] = s.browser(t)
					callbacks[login] = browsers[login].begin("/auth/github/login")
				}
				injected := callbackWith(query(t, callbacks[whose.state], "state"), query(t, callbacks[whose.code], "code"))
				wantProblem(t, browsers[whose.state].get(injected), http.StatusBadRequest, "no longer valid")
				browsers[whose.state].wantSignedOut()
				if log := s.log.String(); !strings.Contains(log, "sign-in failed") || strings.Contains(log, "WARN") {
					t.Errorf("strangers must not fill the log with warnings:\n%s", log)
				}
				for _, id := range []int64{583231, 666} {
					if n := s.gh.LiveTokens(s.app.ClientID, id); n != 0 {
						t.Errorf("%d tokens of user %d are alive", n, id)
					}
				}
			})
		})
	}
}

// Who can change the address on its way to GitHub takes the challenge out, so that a code can be used without its
// verifier. It can't, because ours is always sent.
func TestCodeThatWasGotWithoutTheChallengeIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(url.Values){
		"taken out": func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") },
		"replaced":  func(q url.Values) { q.Set("code_challenge", strings.Repeat("A", 43)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			b := s.browser(t)
			toGitHub := b.still(func() page { return b.get("/auth/github/login") })
			u, err := url.Parse(toGitHub.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			if q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256" {
				t.Fatalf("the challenge is %q by %q", q.Get("code_challenge"), q.Get("code_challenge_method"))
			}
			change(q)
			u.RawQuery = q.Encode()
			back := b.still(func() page { return b.get(u.String()) }).Header.Get("Location")
			if query(t, back, "code") == "" {
				t.Fatalf("GitHub gave no code: %s", back)
			}
			wantProblem(t, b.get(back), http.StatusBadRequest, "no longer valid")
			b.wantSignedOut()
		})
	}
}

// In each of the ways to keep sessions, what the attacker planted in the victim's browser before is worth nothing after
// the sign-in: the anonymous session of theirs, and the one in which they are signed in themselves.
func TestSessionThatWasPlantedIsNeverSignedIn(t *testing.T) {
	t.Parallel()
	kinds := map[string]func() []siteOption{
		"our own sessions": func() []siteOption { return nil },
		"cookie sessions": func() []siteOption {
			return []siteOption{withOptions(middleware.WithCookieSessions(cookieKey("k")))}
		},
		"the app's sessions": func() []siteOption {
			sm := scs.New()
			sm.Cookie.Secure = true
			return []siteOption{withOptions(middleware.WithSessionManager(sm)), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/", h)
				mux.HandleFunc("/basket", func(_ http.ResponseWriter, r *http.Request) { sm.Put(r.Context(), "basket", "tea") })
				return sm.LoadAndSave(a.Middleware(mux))
			})}
		},
	}
	for kind, options := range kinds {
		for what, path := range map[string]string{"anonymous": "/basket", "signed in": "/auth/github/login"} {
			t.Run(kind+", "+what, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, options()...)
				s.gh.AddUser(githubtest.User{ID: 666, Login: "attacker"})
				s.gh.SignInAs("attacker")
				attacker, victim := s.browser(t), s.browser(t)
				attacker.get(path)
				planted := attacker.cookies("")
				if len(planted) == 0 && what == "signed in" {
					t.Fatal("the attacker has no cookie to plant")
				}
				for _, c := range planted {
					victim.setCookie(c.Name, c.Value)
				}
				s.gh.SignInAs("octocat")
				victim.get("/auth/github/login")
				victim.wantSignedIn("octocat")
				attacker.wantSignedOutOrAs("attacker")

				// Nor does what the victim had before lead to what they have now.
				late := s.browser(t)
				for _, c := range planted {
					late.setCookie(c.Name, c.Value)
				}
				late.wantSignedOutOrAs("attacker")
			})
		}
	}
}

func (b *browser) wantSignedOutOrAs(login string) {
	b.t.Helper()
	if p := b.get("/"); p.body != "hello stranger" && p.body != "hello "+login {
		b.t.Errorf("the start page says %q", p.body)
	}
}

// Whatever the request or a proxy says that this site is called, GitHub is told the configured callback, and every
// redirect stays on the site or leads there.
func TestHostAndForwardedHeadersAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lies := func(r *http.Request) {
		r.Host = "evil.example"
		for name, value := range map[string]string{
			"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "8080", "X-Forwarded-Prefix": "//evil.example",
			"X-Forwarded-Uri": "//evil.example/", "X-Forwarded-For": "127.0.0.1", "Forwarded": "host=evil.example;proto=http", "X-Original-Url": "//evil.example",
			"X-Rewrite-Url": "//evil.example", "X-Original-Host": "evil.example", "X-Host": "evil.example", "Referer": "https://evil.example/",
		} {
			r.Header.Set(name, value)
		}
	}
	honest := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lies(r)
		honest.ServeHTTP(w, r)
	})
	b := s.browser(t)
	toGitHub := b.still(func() page { return b.get("/auth/github/login?return_to=/me") })
	location := toGitHub.Header.Get("Location")
	if got := query(t, location, "redirect_uri"); got != origin+"/auth/github/callback" || strings.Contains(location, "evil") {
		t.Errorf("GitHub is told to redirect to %s: %s", got, location)
	}
	for _, c := range toGitHub.Cookies() {
		if !c.Secure || c.Domain != "" {
			t.Errorf("cookie: %+v", c)
		}
	}
	back := b.begin("/auth/github/login?return_to=/me")
	stranger := s.browser(t)
	for name, p := range map[string]page{
		"after the sign-in":   b.still(func() page { return b.get(back) }),
		"at a required page":  stranger.still(func() page { return stranger.get("/me") }),
		"after the sign-out":  b.still(b.signOut),
		"on the problem page": b.still(func() page { return b.get("/auth/github/callback") }),
	} {
		if strings.Contains(fmt.Sprint(p.Header)+p.body, "evil") {
			t.Errorf("%s the request's lies show: %v %s", name, p.Header, p.body)
		}
	}
}

// A rename frees the login for somebody else. Accounts go by their numbers.
func TestNewOwnerOfALoginIsAnotherUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := s.browser(t), s.browser(t)
	first.signIn()
	s.gh.AddUser(githubtest.User{ID: 583231, Login: "octocat-renamed", Name: "The Octocat"})
	s.gh.AddUser(githubtest.User{ID: 999, Login: "octocat", Name: "Somebody else"})
	s.gh.SignInAs("octocat")
	second.get("/auth/github/login")
	if p := first.get("/me"); p.body != "you are octocat-renamed at /me" {
		t.Errorf("the first owner's /me says %q", p.body)
	}
	if p := second.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("the new owner's /me says %q", p.body)
	}
	if err := s.auth.Manager().SignOutEverywhere(t.Context(), 999); err != nil {
		t.Fatal(err)
	}
	second.wantSignedOut()
	if p := first.get("/me"); p.StatusCode != http.StatusOK || p.at() != origin+"/me" {
		t.Errorf("the new owner's sign-out signed the first owner out: %d at %s", p.StatusCode, p.at())
	}
}

// Whatever takes GitHub's place answers, nobody is signed in by it, and the visitor gets a page.
func TestSignInAtAGitHubThatAnswersNonsense(t *testing.T) {
	t.Parallel()
	jsonType := http.Header{"Content-Type": {"application/json"}}
	token := func(body string) githubtest.Fault {
		return githubtest.Fault{Match: githubtest.MatchGrantType(""), Status: http.StatusOK, Header: jsonType, Body: body}
	}
	user := func(body string) githubtest.Fault {
		return githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: http.StatusOK, Header: jsonType, Body: body}
	}
	for name, fault := range map[string]githubtest.Fault{
		"a page":                {Match: githubtest.MatchGrantType(""), Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<h1>Welcome to the hotel</h1>"},
		"nothing":               token(""),
		"half":                  token(`{"access_token":"gho_x"`),
		"an array":              token(`["gho_x"]`),
		"null":                  token("null"),
		"deep":                  token(strings.Repeat(`{"a":`, 100_000)),
		"two megabytes":         token(`{"access_token":"gho_x","x":"` + strings.Repeat("x", 2<<20) + `"}`),
		"a token of lines":      token(`{"access_token":"gho_x\r\nX-Evil: 1"}`),
		"a token that is none":  token(`{"access_token":{"a":1}}`),
		"a redirect":            {Match: githubtest.MatchGrantType(""), Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"https://evil.example/"}}},
		"a script for an error": token(`{"error":"<script>alert(1)</script>","error_description":"<script>alert(2)</script>"}`),
		"user of no number":     user(`{"login":"octocat"}`),
		"user 0":                user(`{"login":"octocat","id":0}`),
		"user below 0":          user(`{"login":"octocat","id":-1}`),
		"user of text":          user(`{"login":"octocat","id":"583231"}`),
		"user of many digits":   user(`{"login":"octocat","id":99999999999999999999}`),
		"user without a login":  user(`{"id":583231}`),
		"user as a page":        {Match: githubtest.MatchPath("/user"), Status: http.StatusOK, Body: "<h1>Welcome</h1>"},
		"user redirected":       {Match: githubtest.MatchPath("/user"), Status: http.StatusFound, Header: http.Header{"Location": {"https://evil.example/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				b := s.browser(t)
				callback := b.begin("/auth/github/login")
				remove := s.gh.Inject(fault)
				p := b.still(func() page { return b.get(callback) })
				if p.StatusCode < 400 || p.Header.Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(p.body, "<script") || strings.Contains(p.body, "evil") {
					t.Errorf("the callback = %d %v %s", p.StatusCode, p.Header, p.body)
				}
				remove()
				b.wantSignedOut()
				b.signIn()
			})
		})
	}
}
