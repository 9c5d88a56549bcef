package middleware

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/browserurl"
)

// wrongWith says what is wrong with a path that a sign-in returns to, or "". It goes by what a browser makes of it, and
// what a server may make of it that decodes, cleans or redirects once more.
func wrongWith(p string) string {
	for _, read := range []string{p, unescaped(p)} {
		switch at := browserurl.Resolve("app.example", "/auth/callback", read); {
		case at.Scheme != "https" || at.Site != "app.example":
			return fmt.Sprintf("%q leads to %+v", read, at)
		case strings.HasPrefix(at.Path, "//") || strings.HasPrefix(at.Path, `/\`):
			return fmt.Sprintf("%q arrives as %q, which leads elsewhere where a page repeats it", read, at.Path)
		case isRouteInTest(at.Path):
			return fmt.Sprintf("%q goes round in circles", read)
		}
	}
	for _, r := range p {
		if r <= ' ' || r == 0x7f {
			return fmt.Sprintf("%q holds a control character", p)
		}
	}
	return ""
}

func unescaped(p string) string {
	p, _, _ = strings.Cut(p, "?")
	decoded, err := url.PathUnescape(p)
	if err != nil {
		return p
	}
	return decoded
}

func isRouteInTest(p string) bool {
	p = path.Clean(unescaped(p))
	return p == "/auth/login" || p == "/auth/callback" || p == "/auth/logout"
}

func returnPathAuthenticator() *Authenticator {
	return &Authenticator{cfg: Config{LoginPath: "/auth/login", LogoutPath: "/auth/logout", AfterLogin: "/home"}, callback: "/auth/callback"}
}

func TestNoHostileReturnPathLeadsAway(t *testing.T) {
	t.Parallel()
	a := returnPathAuthenticator()
	refused := 0
	for _, raw := range browserurl.Hostile() {
		got := a.returnPath(raw)
		if wrong := wrongWith(got); wrong != "" {
			t.Errorf("returnPath(%.80q): %s", raw, wrong)
		}
		if got == "/home" {
			refused++
		} else if leads := browserurl.Resolve("app.example", "/auth/callback", raw); leads.Site != "app.example" {
			t.Errorf("returnPath(%q) = %q: what leads elsewhere is to be refused, not repaired", raw, got)
		}
	}
	if refused < 1000 {
		t.Errorf("%d of %d were refused: this test looks at the wrong thing", refused, len(browserurl.Hostile()))
	}
}

func TestRoutesInDisguiseAreNoPlaceToReturnTo(t *testing.T) {
	t.Parallel()
	a := returnPathAuthenticator()
	for _, route := range []string{"login", "logout", "callback"} {
		for _, raw := range []string{
			"/auth/" + route, "/auth/" + route + "/", "/auth/" + route + "?x", "/auth/" + route + "#x", "/auth/./" + route, "/x/../auth/" + route,
			"/auth//" + route, "/auth/x/%2e%2e/" + route, "/auth/x/.%2E/" + route, "/auth%2f" + route, "/auth/%" + fmt.Sprintf("%x", route[0]) + route[1:],
			"/auth/" + route + "/.", "/auth/" + route + "/x/..", "/%61uth/" + route, "/auth/" + route + "?return_to=/auth/" + route,
		} {
			if got := a.returnPath(raw); got != "/home" {
				t.Errorf("returnPath(%q) = %q", raw, got)
			}
		}
	}
}

// FuzzReturnPath: wherever a sign-in was asked to return to, a browser stays on the site, and out of its sign-in routes.
func FuzzReturnPath(f *testing.F) {
	for i, seed := range browserurl.Hostile() {
		if i%8 == 0 && len(seed) < 100 { // More of them and a short run would see nothing else.
			f.Add(seed)
		}
	}
	for _, seed := range []string{"/", "/a?b#c", "/a//b;c=d/%2f?e=//f", "/auth/login", "/ünï/%E2%82%AC", "/x/.hidden/..x/..."} {
		f.Add(seed)
	}
	a := returnPathAuthenticator()
	f.Fuzz(func(t *testing.T, raw string) {
		p := a.returnPath(raw)
		if wrong := wrongWith(p); wrong != "" {
			t.Errorf("returnPath(%q): %s", raw, wrong)
		}
		if again := a.returnPath(p); again != p {
			t.Errorf("returnPath(%q) = %q, and then %q", raw, p, again)
		}
		// An app that sends the visitor on with net/http cleans the path first.
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest(http.MethodGet, "https://app.example/auth/callback", nil), p, http.StatusFound)
		if wrong := wrongWith(w.Header().Get("Location")); wrong != "" {
			t.Errorf("returnPath(%q) = %q, sent on: %s", raw, p, wrong)
		}
	})
}
