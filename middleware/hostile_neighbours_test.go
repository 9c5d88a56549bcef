package middleware_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Other libraries took the state, or the cookie that it is compared with, from whoever sent the visitor.
func TestLinkOrPlantedCookieChoosesNoState(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	attacker, victim := s.browser(t), s.browser(t)
	attacker.begin("/auth/github/login")
	for _, c := range attacker.cookies("attempt") {
		victim.setCookie(c.Name, c.Value)
	}
	const chosen = "chosen-by-the-attacker-0123456789-0123456789"
	seen := map[string]bool{}
	for range 3 {
		p := victim.still(func() page {
			return victim.get("/auth/github/login?" + url.Values{
				"state": {chosen}, "code_challenge": {chosen}, "code_challenge_method": {"plain"}, "redirect_uri": {"https://evil.example"}, "client_id": {"other"},
			}.Encode())
		})
		location := p.Header.Get("Location")
		state := query(t, location, "state")
		if strings.Contains(location, "attacker") || strings.Contains(location, "evil") || len(state) < 43 || seen[state] {
			t.Errorf("the visitor is sent to %s", location)
		}
		seen[state] = true
	}
}

// Proxies for signing in tell an app by headers who somebody is, or skip the check for some of them, and so does who
// reaches the app past the proxy.
func TestNoHeaderSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, value := range map[string]string{
		"X-Forwarded-User": "octocat", "X_Forwarded_User": "octocat", "X-Auth-Request-User": "octocat", "Remote-User": "octocat", "X-Github-User": "octocat",
		"Authorization": "Bearer gho_0123456789", "X-Forwarded-Uri": "/auth/github/callback", "X-Original-Url": "/auth/github/login", "X-Rewrite-Url": "/",
		"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "User-Agent": "GoogleHC/1.0", "X-Forwarded-Access-Token": "gho_0123456789",
	} {
		b := s.browser(t)
		p := b.do(http.MethodGet, "/me", accept("application/json"), func(r *http.Request) { r.Header[name] = []string{value} })
		if p.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %s: %s GET /me = %d", name, value, p.StatusCode)
		}
		b.wantSignedOut()
	}
	if calls := s.gh.Calls(); len(calls) != 0 {
		t.Errorf("GitHub was called %d times", len(calls))
	}
}

// A check that matched its exceptions against the whole address was gone around by a query.
func TestRequiredPagesAreSoHoweverTheyAreSpelled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, target := range []string{
		"/me?/auth/github/login", "/me?x=/auth/github/callback", "/me?return_to=/auth/github/login", "/me#/auth/github/login", "/me?%2fauth%2fgithub%2flogin",
		"/%6de", "/%6d%65?x", "/me?state=x&code=y&installation_id=1&setup_action=install",
	} {
		p := s.browser(t).do(http.MethodGet, target, accept("application/json"))
		if p.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET %s = %d %q", target, p.StatusCode, p.body)
		}
	}
}

// Scanners of links in mails and chats ask by HEAD, and POST is another site's to send.
func TestCallbackIsForGETAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	callback := b.begin("/auth/github/login?return_to=/me")
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if p := b.do(method, callback); p.StatusCode != http.StatusMethodNotAllowed || len(p.Cookies()) != 0 {
			t.Errorf("%s callback = %d, with %d cookies", method, p.StatusCode, len(p.Cookies()))
		}
	}
	if n := s.gh.TokenRequests(""); n != 0 {
		t.Errorf("GitHub was asked for a token %d times", n)
	}
	if p := b.get(callback); p.at() != origin+"/me" {
		t.Errorf("the callback itself ends at %s", p.at())
	}
}

// Of two values for one parameter, one part of a program may check the first and another use the last.
func TestDoubledParametersOfALinkAreHarmless(t *testing.T) {
	t.Parallel()
	for _, q := range []string{
		"return_to=/me&return_to=//evil.example", "return_to=//evil.example&return_to=/me", "return_to=/me;return_to=//evil.example", "return_to[]=//evil.example",
		"RETURN_TO=//evil.example", "return_to=/me%26return_to=//evil.example", "return_to=/me&next=//evil.example&redirect_uri=//evil.example&rd=//evil.example",
	} {
		b := newSite(t).browser(t)
		callback := b.begin("/auth/github/login?" + q)
		location := b.still(func() page { return b.get(callback) }).Header.Get("Location")
		if to, err := url.Parse(location); err != nil || to.Host != "" || to.Path != "/" && to.Path != "/me" && to.Path != "/me&return_to=//evil.example" {
			t.Errorf("%s ends at %q", q, location)
		}
	}
}

// A site that answers to several names has one callback. What is begun at another name, or brought there, is not
// finished: cookies belong to the name that set them.
func TestSignInDoesNotCrossFromOneNameOfTheSiteToAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct{ begin, finish string }{
		"begun at another name":   {"https://www.app.example/auth/github/login", origin},
		"brought to another name": {"/auth/github/login", "https://www.app.example"},
	} {
		b := s.browser(t)
		callback := b.begin(c.begin)
		if !strings.HasPrefix(callback, origin+"/") {
			t.Fatalf("%s: GitHub sends the visitor to %s", name, callback)
		}
		p := b.get(c.finish + strings.TrimPrefix(callback, origin))
		wantProblem(t, p, http.StatusBadRequest, "no longer valid")
		b.wantSignedOut()
	}
	if n := s.gh.TokenRequests(""); n != 0 {
		t.Errorf("GitHub was asked for a token %d times", n)
	}
}
