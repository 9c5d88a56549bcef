package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
)

func TestVisitorSignsInAndLandsWhereTheyWereGoing(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.wantSignedOut()
	p := b.get("/me?tab=a%20b&x=1")
	if p.StatusCode != http.StatusOK || p.body != "you are octocat at /me?tab=a%20b&x=1" {
		t.Errorf("GET /me = %d %q", p.StatusCode, p.body)
	}
	b.wantSignedIn("octocat")
}

func TestCookiesAreTheHostsOwnAndOutOfScriptsReach(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	begun := b.still(func() page { return b.get("/auth/github/login") })
	callback := b.begin("/auth/github/login")
	finished := b.still(func() page { return b.get(callback) })
	cookies := append(begun.Cookies(), finished.Cookies()...)
	if len(cookies) < 3 {
		t.Fatalf("%d cookies were set", len(cookies))
	}
	for _, c := range cookies {
		if !strings.HasPrefix(c.Name, "__Host-ghlogin") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
	}
	if left := b.cookies("attempt"); len(left) != 1 {
		t.Errorf("%d attempts are left, want the one that was not finished", len(left))
	}
}

func TestSchemeInCapitalsIsAsSecure(t *testing.T) {
	t.Parallel()
	s := newSite(t, withConfig(func(c *middleware.Config) { c.RedirectURL = "HTTPS://app.example/cb" }))
	b := s.browser(t)
	for _, c := range b.still(func() page { return b.get("/login") }).Cookies() {
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("cookie: %+v", c)
		}
	}
}

func TestOnLoopbackCookiesWorkWithoutHTTPS(t *testing.T) {
	t.Parallel()
	s := newSite(t, withConfig(func(c *middleware.Config) { c.RedirectURL = "http://127.0.0.1:8080/cb" }))
	b := s.browser(t)
	p := b.still(func() page { return b.get("/login") })
	for _, c := range p.Cookies() {
		if strings.HasPrefix(c.Name, "__Host-") || c.Secure || !c.HttpOnly {
			t.Errorf("cookie on loopback: %+v", c)
		}
	}
	if len(p.Cookies()) != 1 {
		t.Errorf("%d cookies", len(p.Cookies()))
	}
}

// What a proxy, or whoever passes for one, says of where the request was sent.
func TestNoHeaderChangesWhereASignInEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, value := range map[string]string{
		"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "8",
		"Forwarded": "host=evil.example;proto=http", "X-Original-URL": "https://evil.example/", "Origin": "https://evil.example", "Referer": "https://evil.example/",
	} {
		r := httptest.NewRequest(http.MethodGet, "/auth/github/login?return_to=/me", nil)
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		u, err := url.Parse(w.Header().Get("Location"))
		if err != nil || u.Host != "github.com" || u.Query().Get("redirect_uri") != origin+"/auth/github/callback" {
			t.Errorf("with %s: %s it leads to %s", name, value, u)
		}
		for _, c := range w.Result().Cookies() {
			if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") || c.Domain != "" {
				t.Errorf("with %s: %s the cookie is %v", name, value, c)
			}
		}
	}
}

// Neither a browser's history nor the next page's Referer has a code or a state, and no form is posted on.
func TestRedirectsOfASignInAreNotKeptAndTellNothing(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	var callback string
	for _, step := range []struct {
		name, to string
		status   int
	}{
		{"to GitHub", "https://github.com/login/oauth/authorize?", http.StatusFound},
		{"back to the page", "/me", http.StatusSeeOther},
	} {
		p := b.still(func() page {
			if callback == "" {
				return b.get("/auth/github/login?return_to=/me")
			}
			return b.get(callback)
		})
		location := p.Header.Get("Location")
		if p.StatusCode != step.status || !strings.HasPrefix(location, step.to) || p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d to %s, %v", step.name, p.StatusCode, location, p.Header)
		}
		if callback != "" && location != step.to {
			t.Errorf("the page after the callback is %s", location)
		}
		callback = b.begin("/auth/github/login?return_to=/me")
	}
}

// A developer opens localhost, and GitHub sends them back to 127.0.0.1, where the cookies of localhost
// are not sent.
func TestOnLoopbackASignInBeginsAtTheNameItWillEndAt(t *testing.T) {
	t.Parallel()
	for redirectURL, hosts := range map[string]map[string]string{
		"http://127.0.0.1:8080/cb": {
			"localhost:8080": "http://127.0.0.1:8080/login?return_to=%2Fx", "[::1]:8080": "http://127.0.0.1:8080/login?return_to=%2Fx",
			"127.0.0.1:8080": "", "localhost:9": "", "app.example:8080": "", "": "", "%": "",
		},
		"https://app.example/cb": {"localhost": "", "127.0.0.1": "", "other.example": ""},
	} {
		s := newSite(t, withConfig(func(c *middleware.Config) { c.RedirectURL = redirectURL }))
		for host, want := range hosts {
			r := httptest.NewRequest(http.MethodGet, "/login?return_to=%2Fx", nil)
			r.Host = host
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			location := w.Header().Get("Location")
			if want == "" && !strings.HasPrefix(location, "https://github.com/login/oauth/authorize?") || want != "" && location != want {
				t.Errorf("at %q with the redirect URL %s: Location %s", host, redirectURL, location)
			}
		}
	}
}

func TestAnonymousVisitorsGetNoCookie(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	if p := b.get("/"); len(p.Cookies()) != 0 {
		t.Errorf("an anonymous page set %v", p.Cookies())
	}
}

func TestTenTabsAtOnceEachLandOnTheirOwnPage(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	callbacks := make([]string, 10)
	for i := range callbacks { // All are at GitHub before the first comes back.
		callbacks[i] = b.begin("/auth/github/login?return_to=" + url.QueryEscape(fmt.Sprintf("/me?tab=%d", i)))
	}
	var wg sync.WaitGroup
	for i, callback := range callbacks {
		wg.Go(func() {
			p := b.get(callback)
			if want := fmt.Sprintf("you are octocat at /me?tab=%d", i); p.body != want {
				t.Errorf("tab %d landed on %s: %q", i, p.at(), p.body)
			}
		})
	}
	wg.Wait()
	b.wantSignedIn("octocat")
	if n := len(b.cookies("attempt")); n != 0 {
		t.Errorf("%d attempts are left", n)
	}
}

func TestAttemptsThatNobodyFinishesStayBounded(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"short": "/me", "long": "/me?" + strings.Repeat("x", 1000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSite(t).browser(t)
			var last string
			for range 40 {
				last = b.begin("/auth/github/login?return_to=" + url.QueryEscape(path))
			}
			size := 0
			for _, c := range b.cookies("attempt") {
				size += len(c.Name) + len(c.Value)
			}
			if n := len(b.cookies("attempt")); size > 6<<10 || name == "short" && n < 15 || n == 0 {
				t.Errorf("%d attempts of %d bytes are carried", n, size)
			}
			b.get(last)
			b.wantSignedIn("octocat")
		})
	}
}

func TestCallbackWithoutItsAttemptSignsNobodyInAndCostsGitHubNothing(t *testing.T) {
	t.Parallel()
	tamper := func(callback, param, value string) string {
		u, _ := url.Parse(callback)
		q := u.Query()
		q.Set(param, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, attack := range map[string]func(b *browser, callback string) (other string){
		"tampered state": func(_ *browser, c string) string { return tamper(c, "state", "x"+c[len(c)-30:]) },
		"empty state":    func(_ *browser, c string) string { return tamper(c, "state", "") },
		"no state": func(_ *browser, c string) string {
			code, _ := url.Parse(c)
			return origin + "/auth/github/callback?code=" + code.Query().Get("code")
		},
		"nothing at all":       func(*browser, string) string { return "/auth/github/callback" },
		"doubled state":        func(_ *browser, c string) string { return c + "&state=other" },
		"doubled code":         func(_ *browser, c string) string { return c + "&code=other" },
		"from another browser": func(b *browser, _ string) string { return b.site.browser(b.t).begin("/auth/github/login") },
		"cookie tampered": func(b *browser, c string) string {
			cookie := b.cookies("attempt")[0]
			other := "A"
			if cookie.Value[0] == 'A' {
				other = "B"
			}
			b.setCookie(cookie.Name, other+cookie.Value[1:])
			return c
		},
		"cookie of another attempt": func(b *browser, c string) string {
			first := b.cookies("attempt")[0]
			b.begin("/auth/github/login")
			for _, other := range b.cookies("attempt") {
				if other.Name != first.Name {
					b.setCookie(first.Name, other.Value)
				}
			}
			return c
		},
		"cookie empty": func(b *browser, c string) string {
			b.setCookie(b.cookies("attempt")[0].Name, "")
			return c
		},
		"after ten minutes": func(_ *browser, c string) string {
			time.Sleep(10 * time.Minute)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				b := s.browser(t)
				callback := attack(b, b.begin("/auth/github/login?return_to=/me"))
				p := b.get(callback)
				wantProblem(t, p, http.StatusBadRequest, "This sign-in is no longer valid")
				if !strings.Contains(p.body, `href="/auth/github/login"`) {
					t.Error("the page has no way on")
				}
				b.wantSignedOut()
				if n := s.gh.TokenRequests(""); n != 0 {
					t.Errorf("GitHub was asked for a token %d times", n)
				}
			})
		})
	}
}

// With a jar that keeps cookies which the server cleared, expiry is the server's to see.
func TestExpiredAttemptIsRefusedByTheServerToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		callback := b.begin("/auth/github/login")
		kept := b.cookies("attempt")[0]
		time.Sleep(10 * time.Minute)
		b.setCookie(kept.Name, kept.Value)
		wantProblem(t, b.get(callback), http.StatusBadRequest, "no longer valid")
		if n := s.gh.TokenRequests(""); n != 0 {
			t.Errorf("GitHub was asked for a token %d times", n)
		}
	})
}

func TestCallbackCountsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	callback := b.begin("/auth/github/login?return_to=/me")
	kept := b.cookies("attempt")[0]
	b.get(callback)
	b.wantSignedIn("octocat")
	b.signOut()

	wantProblem(t, b.get(callback), http.StatusBadRequest, "no longer valid")
	b.wantSignedOut()
	// Even with the cookie that was cleared, the code is spent; the way on leads where it had led.
	b.setCookie(kept.Name, kept.Value)
	p := b.get(callback)
	wantProblem(t, p, http.StatusBadRequest, "no longer valid")
	if !strings.Contains(p.body, `href="/auth/github/login?return_to=%2Fme"`) {
		t.Errorf("the way on leads elsewhere: %s", p.body)
	}
	b.wantSignedOut()
}

func TestWhatGitHubSaysNoTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set    []siteOption
		before func(s *site)
		query  string // Instead of GitHub's own, with the state.
		status int
		says   string
	}{
		"canceled":      {query: "error=access_denied&error_description=<b>hi</b>", status: http.StatusForbidden, says: "You canceled the sign-in"},
		"suspended":     {set: []siteOption{withApp(githubtest.App{Suspended: true})}, query: "error=application_suspended", status: http.StatusServiceUnavailable, says: "Sign-in is switched off"},
		"redirect URL":  {query: "error=redirect_uri_mismatch", status: http.StatusServiceUnavailable, says: "Sign-in is not set up correctly"},
		"unknown error": {query: "error=%3Cscript%3E", status: http.StatusBadRequest, says: "no longer valid"},
		"no code":       {query: "x=1", status: http.StatusBadRequest, says: "no longer valid"},
		"wrong code":    {query: "code=wrong", status: http.StatusBadRequest, says: "no longer valid"},
		"wrong secret": {
			set: []siteOption{withConfig(func(c *middleware.Config) {
				c.ClientSecrets = []oauth.Secret{oauth.NewSecret("mistyped")}
			})}, status: http.StatusServiceUnavailable, says: "Sign-in is not set up correctly",
		},
		"e-mail not verified": {
			before: func(s *site) {
				s.gh.AddUser(githubtest.User{ID: 7, Login: "newcomer", EmailUnverified: true})
				s.gh.SignInAs("newcomer")
			}, status: http.StatusForbidden, says: "Verify your e-mail address",
		},
		"GitHub away": {
			before: func(s *site) {
				s.gh.Inject(githubtest.Fault{Match: post, Status: http.StatusBadGateway})
			}, status: http.StatusServiceUnavailable, says: "Please try again in a moment",
		},
		"GitHub silent": {
			before: func(s *site) { s.gh.Inject(githubtest.Fault{Match: post, Hang: true}) },
			status: http.StatusServiceUnavailable, says: "Please try again in a moment",
		},
		"API away": {
			before: func(s *site) {
				s.gh.Inject(githubtest.Fault{Match: func(r *http.Request) bool { return r.URL.Path == "/user" }, Status: http.StatusInternalServerError})
			}, status: http.StatusServiceUnavailable, says: "Please try again in a moment",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, c.set...)
				if c.before != nil {
					c.before(s)
				}
				b := s.browser(t)
				var callback string
				if c.query != "" {
					toGitHub := b.still(func() page { return b.get("/auth/github/login") })
					u, _ := url.Parse(toGitHub.Header.Get("Location"))
					callback = "/auth/github/callback?state=" + u.Query().Get("state") + "&" + c.query
				} else {
					callback = b.begin("/auth/github/login")
				}
				p := b.get(callback)
				wantProblem(t, p, c.status, c.says)
				if strings.Contains(p.body, "<b>hi") || strings.Contains(p.body, "<script") || strings.Contains(p.body, "error=") {
					t.Errorf("the page echoes the request: %s", p.body)
				}
				if c.says == "Please try again in a moment" && p.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				b.wantSignedOut()
			})
		})
	}
}

func post(r *http.Request) bool { return r.Method == http.MethodPost }

// GitHub sends visitors who installed the app back with a code and no state, which anybody could
// have made up.
func TestInstallationStartsASignInOfOurOwn(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"with a code":   "code=somebody-elses&installation_id=42&setup_action=install",
		"without":       "installation_id=42&setup_action=update",
		"asked for":     "setup_action=request",
		"with nonsense": "installation_id=%2F%2Fevil.example&setup_action=install",
		"with a state":  "installation_id=42&setup_action=install&code=x&state=of-a-link-to-the-installation",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}))
			b := s.browser(t)
			p := b.get("/auth/github/callback?" + query)
			want := origin + "/"
			if strings.Contains(query, "=42") {
				want += "?installation_id=42"
			}
			if p.at() != want || p.body != "hello octocat" {
				t.Errorf("landed on %s: %q, want %s", p.at(), p.body, want)
			}
			if n := s.gh.TokenRequests(""); n != 1 {
				t.Errorf("%d codes were exchanged, want our own alone", n)
			}
		})
	}
}

func TestSignInAsksForWhatTheConfigSays(t *testing.T) {
	t.Parallel()
	s := newSite(t, withConfig(func(c *middleware.Config) {
		c.Scopes, c.OfflineAccess, c.DisallowSignup = []string{"repo", "read:org"}, true, true
	}))
	b := s.browser(t)
	p := b.still(func() page {
		return b.get("/auth/github/login?prompt=select_account&login=octocat&scope=admin:org&redirect_uri=https://evil.example")
	})
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for param, want := range map[string]string{
		"client_id": s.app.ClientID, "redirect_uri": origin + "/auth/github/callback", "scope": "repo read:org offline_access",
		"allow_signup": "false", "prompt": "select_account", "login": "octocat", "code_challenge_method": "S256",
	} {
		if q.Get(param) != want || len(q[param]) != 1 {
			t.Errorf("%s = %q, want %q", param, q[param], want)
		}
	}
	if len(q.Get("state")) < 43 || len(q.Get("code_challenge")) != 43 {
		t.Errorf("state %q, challenge %q", q.Get("state"), q.Get("code_challenge"))
	}
}

func TestSessionTokenPlantedBeforeSignInIsWorthless(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	attacker, victim := s.browser(t), s.browser(t)
	attacker.signIn()
	planted := attacker.sessionCookies()[0]
	attacker.signOut()

	s.gh.AddUser(githubtest.User{ID: 8, Login: "victim"})
	s.gh.SignInAs("victim")
	victim.setCookie(planted.Name, planted.Value)
	victim.get("/auth/github/login")
	victim.wantSignedIn("victim")
	if victim.cookies(planted.Name)[0].Value == planted.Value {
		t.Error("the planted session token was signed in")
	}
	attacker.setCookie(planted.Name, planted.Value)
	attacker.wantSignedOut()
}

func TestChangingAccountsEndsTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		b.signIn()
		s.gh.AddUser(githubtest.User{ID: 8, Login: "second"})
		s.gh.SignInAs("second")
		b.get("/auth/github/login?prompt=select_account")
		b.wantSignedIn("second")
		synctest.Wait()
		if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens of the first account are alive, want 0", n)
		}
	})
}

func TestSigningInAgainKeepsTheSessionOfTheOtherTabs(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.signIn()
	before := b.sessionCookies()[0].Value
	b.signIn()
	if after := b.sessionCookies()[0].Value; after != before {
		t.Error("the session token was changed under the other tabs")
	}
}

func TestSigningInAgainAfterSignOutEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.signIn()
	if err := s.auth.Manager().SignOutEverywhere(t.Context(), 583231); err != nil {
		t.Fatal(err)
	}
	b.wantSignedOut()
	b.signIn()
}

func TestCookieKeysRotate(t *testing.T) {
	t.Parallel()
	oldKey, newKey := oauth.NewSecret(strings.Repeat("o", 32)), oauth.NewSecret(strings.Repeat("n", 32))
	with := func(keys ...oauth.Secret) siteOption {
		return withConfig(func(c *middleware.Config) { c.CookieKeys = keys })
	}
	for name, c := range map[string]struct {
		keys   []oauth.Secret
		status int
	}{
		"the old key still opens": {[]oauth.Secret{newKey, oldKey}, http.StatusOK},
		"a dropped key does not":  {[]oauth.Secret{newKey}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, with(oldKey))
			b := s.browser(t)
			callback := b.begin("/auth/github/login")
			next := newSite(t, with(c.keys...), withConfig(func(cfg *middleware.Config) {
				cfg.ClientID, cfg.ClientSecrets = s.cfg.ClientID, s.cfg.ClientSecrets
			}), withOptions(middleware.WithHTTPClient(&http.Client{Transport: s.gh.Transport()})))
			s.handler = next.handler
			if p := b.get(callback); p.StatusCode != c.status {
				t.Errorf("the callback = %d, want %d", p.StatusCode, c.status)
			}
		})
	}
}
