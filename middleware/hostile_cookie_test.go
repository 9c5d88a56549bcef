package middleware

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// FuzzOpenCookie: a cookie opens as it was sealed, under the name that it was sealed for, or not at all. The fuzzer
// cuts, lengthens and changes what we sealed, for an attempt and for a session, and makes up cookies of its own.
func FuzzOpenCookie(f *testing.F) {
	f.Add(0, byte(1), 0, "", "")
	f.Add(3, byte(0), 1, "", "")
	f.Add(40, byte('='), 0, "==", "x")
	f.Add(-1, byte(0x20), 5, "\n", "__Host-ghlogin-00000000-session")
	attempts := fuzzAttempts(f)
	sessions, err := newCookieSessions(Config{Host: oauth.GitHub()}, []oauth.Secret{oauth.NewVerifier()}, true)
	if err != nil {
		f.Fatal(err)
	}
	sealedAttempt, sealedSession := sealedCookies(f, attempts, sessions)
	f.Fuzz(func(t *testing.T, at int, change byte, cut int, end, name string) {
		for _, good := range []*http.Cookie{sealedAttempt, sealedSession} {
			value := []byte(good.Value)
			value[abs(at)%len(value)] ^= change
			bad := http.Cookie{Name: good.Name + name, Value: string(value[:len(value)-abs(cut)%len(value)]) + end}
			for _, c := range []http.Cookie{bad, {Name: good.Name, Value: end}, {Name: good.Name, Value: name + end}} {
				r := &http.Request{Header: http.Header{"Cookie": {c.Name + "=" + c.Value}}}
				if slices.ContainsFunc(r.Cookies(), func(sent *http.Cookie) bool { return sent.Name == good.Name && sent.Value == good.Value }) {
					continue // What was changed is no part of the cookie, such as what follows a semicolon.
				}
				for _, sent := range r.Cookies() {
					if got, ok := attempts.open(sent); ok {
						t.Errorf("a cookie that we never sealed opens as %+v", got)
					}
				}
				if s, err := sessions.open(r); err != nil || s.(cookieSession).v.LoginID != "" {
					t.Errorf("a session that we never sealed opens as %+v, %v", s, err)
				}
			}
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

func sealedCookies(tb testing.TB, attempts *attempts, sessions *cookieSessions) (attemptCookie, sessionCookie *http.Cookie) {
	tb.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/auth/login", nil)
	begun := attempt{State: oauth.NewState(), Verifier: "v", ReturnTo: "/", Expires: time.Now().Add(time.Hour).UnixMilli()}
	if err := attempts.begin(w, r, begun); err != nil {
		tb.Fatal(err)
	}
	s := cookieSession{of: sessions}
	sessions.life = time.Hour
	if err := s.put(w, grant.Session{UserID: 1, LoginID: "login"}); err != nil {
		tb.Fatal(err)
	}
	set := w.Result().Cookies()
	if _, ok := attempts.open(set[0]); !ok || len(set) != 2 {
		tb.Fatalf("the attempt does not open, of %d cookies", len(set))
	}
	return set[0], set[1]
}

// Each is opened, so a few kilobytes of cookies must not become a megabyte of answers.
func TestThousandsOfCookiesCostLittle(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	for _, n := range []int{500, 2500, 20_000} {
		var planted strings.Builder
		for i := range n {
			_, _ = fmt.Fprintf(&planted, "%s%d=x; ", a.prefix, i)
		}
		r := httptest.NewRequest(http.MethodGet, "/auth/login", nil)
		r.Header.Set("Cookie", planted.String())
		w := httptest.NewRecorder()
		if err := a.begin(w, r, attempt{State: "s", Expires: time.Now().UnixMilli()}); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, line := range w.Header()["Set-Cookie"] {
			size += len(line)
		}
		if size > 8<<10 {
			t.Errorf("%d cookies of nobody's are answered with %d bytes", n, size)
		}
		found := false
		for _, c := range w.Result().Cookies() {
			found = found || c.Name == a.name("s") && c.MaxAge > 0
		}
		if !found {
			t.Errorf("beside %d cookies of nobody's no sign-in begins", n)
		}
	}
}

// A cookie that can be spelled in two ways is two cookies to whoever compares or counts them.
func TestSealedTextHasOneSpelling(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	for n := range 4 { // The last letter has bits to spare for some lengths.
		sealed := a.sealer.seal([]byte("abc"[:min(n, 3)]), "name")
		for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=" {
			other := sealed[:len(sealed)-1] + string(last)
			if opens(a.sealer, other, "name") != (other == sealed) || opens(a.sealer, sealed+string(last), "name") {
				t.Errorf("of %d bytes, with %c at the end: opens = %v", n, last, other != sealed)
			}
		}
	}
}

func TestCookieOfASealedSessionIsTheHostsOwnAndOutOfScriptsReach(t *testing.T) {
	t.Parallel()
	sessions, err := newCookieSessions(Config{Host: oauth.GitHub(), SessionLifetime: time.Hour}, []oauth.Secret{oauth.NewVerifier()}, true)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s := cookieSession{of: sessions}
	if err := s.put(w, grant.Session{UserID: 1, LoginID: "login"}); err != nil {
		t.Fatal(err)
	}
	if err := s.remove(w); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the session's cookie is %+v", c)
		}
	}
}

// Browsers keep no cookie above 4096 bytes, so a sign-in with a larger one could not be finished.
func TestAttemptFitsIntoACookieWhateverItsReturnPath(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	longest := 0
	for _, filler := range []string{"x", "&", "<", `"`, "é", "日", "%22", "%C3%A9", "\u2028", "\xff", "'", "+", "x/"} {
		for _, lead := range []string{"/", "/?"} {
			n := sort.Search(2*maxReturnPath, func(n int) bool { return localPath(lead+strings.Repeat(filler, n+1)) == "" })
			p := localPath(lead + strings.Repeat(filler, n))
			longest = max(longest, len(p))
			w := httptest.NewRecorder()
			begun := attempt{State: oauth.NewState(), Verifier: oauth.NewState(), ReturnTo: p, Expires: time.Now().Add(time.Hour).UnixMilli(), Installation: "9223372036854775807"}
			if err := a.begin(w, httptest.NewRequest(http.MethodGet, "/auth/login", nil), begun); err != nil {
				t.Fatal(err)
			}
			c := w.Result().Cookies()[0]
			if size := len(c.Name) + len(c.Value); size > 4096 {
				t.Errorf("with %d times %q the cookie has %d bytes", n, filler, size)
			}
			if got, ok := a.open(c); !ok || got.ReturnTo != p {
				t.Errorf("the return path %q comes back as %q", p, got.ReturnTo)
			}
		}
	}
	if longest != maxReturnPath {
		t.Errorf("the longest path that was tried has %d bytes", longest)
	}
}

// A cookie holds what we sealed some minutes ago, but which keys seal, and what else they seal, may have changed.
func TestAttemptWithoutItsPartsIsNone(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	soon := time.Now().Add(time.Minute).UnixMilli()
	for name, sealed := range map[string]string{
		"no JSON": "x", "an array": "[]", "nothing": "{}", "null": "null", "a session": `{"u":1,"l":"login","x":99999999999}`,
		"another state": fmt.Sprintf(`{"s":"other","v":"v","x":%d}`, soon), "no expiry": `{"s":"state","v":"v"}`,
		"an expiry of text": fmt.Sprintf(`{"s":"state","v":"v","x":"%d"}`, soon),
	} {
		cookie := a.name("state")
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		r.AddCookie(&http.Cookie{Name: cookie, Value: a.sealer.seal([]byte(sealed), cookie)})
		if got, ok := a.finish(httptest.NewRecorder(), r, "state"); ok {
			t.Errorf("%s: finish = %+v", name, got)
		}
	}
}

// What was sealed for one app, host or purpose opens for no other, even where they share their keys.
func TestOneKeyServesEachPurposeApart(t *testing.T) {
	t.Parallel()
	key := []oauth.Secret{oauth.NewVerifier()}
	one := Config{ClientID: "one", CookieKeys: key, Host: oauth.GitHub()}
	two := Config{ClientID: "two", CookieKeys: key, Host: oauth.GitHub()}
	a1, err := newAttempts(one, true)
	if err != nil {
		t.Fatal(err)
	}
	a2, err := newAttempts(two, true)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := newCookieSessions(one, key, true)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(attempt{State: "state", Expires: time.Now().Add(time.Minute).UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	value := a1.sealer.seal(plain, a1.name("state"))
	for name, opened := range map[string]bool{
		"another app's attempt":  opens(a2.sealer, value, a2.name("state")),
		"another state's cookie": opens(a1.sealer, value, a1.name("other")),
		"a session":              opens(sessions.sealer, value, a1.name("state")),
	} {
		if opened {
			t.Errorf("the attempt opens as %s", name)
		}
	}
	if !opens(a1.sealer, value, a1.name("state")) {
		t.Error("the attempt does not open at all")
	}
}

func opens(s sealer, value, name string) bool {
	_, ok := s.open(value, name)
	return ok
}

func TestStateNeverShowsInItsCookiesName(t *testing.T) {
	t.Parallel()
	a := fuzzAttempts(t)
	state := oauth.NewState()
	if name := a.name(state); strings.Contains(name, url.QueryEscape(state)) || strings.Contains(name, state[:8]) || a.name(state+"x") == name {
		t.Errorf("the name of the cookie is %s", name)
	}
}
