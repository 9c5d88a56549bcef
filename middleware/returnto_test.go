package middleware

import (
	"strings"
	"testing"
)

func TestReturnPathsThatLeadElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	hostile := []string{
		"", "x", "evil.example", "https://evil.example", "HTTPS://evil.example/", "//evil.example", "///evil.example", "////evil.example", "//", "//?", "//?x=1", "//#x",
		"/\\evil.example", "\\/evil.example", "\\\\evil.example", "/\\/evil.example", "//\\evil.example", "/x\\..\\y", "/x\\y", "/x?\\y",
		"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example", "/\x00/evil.example", "/\x7f/evil.example",
		"/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "/%2f%2fevil.example",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "/\njavascript:alert(1)", "vbscript:x", "file:///etc/passwd",
		"https:evil.example", "https:/evil.example", "http:\\\\evil.example", "//user:pw@evil.example", "@evil.example", ":80/", "?x=1", "#x",
		"/..//evil.example", "/.//evil.example", "/a/..//evil.example", "/%2e%2e//evil.example", "/%2E//evil.example", "/a/%2e./%2fevil.example",
		"/x\r\nSet-Cookie: a=b", "/x\nLocation: //evil.example", "/%zz", "/" + strings.Repeat("x", maxReturnPath), "/" + strings.Repeat("ü", maxReturnPath/2-1),
	}
	for _, raw := range hostile {
		if got := localPath(raw); got != "" {
			t.Errorf("localPath(%q) = %q, want that it is refused", raw, got)
		}
	}
	for raw, want := range map[string]string{
		"/": "/", "/me": "/me", "/a/b?c=d&e=%2F%2Fevil.example": "/a/b?c=d&e=%2F%2Fevil.example", "/a%20b": "/a%20b", "/a%2Fb": "/a%2Fb",
		"/x#top": "/x", "/x?": "/x?", "/x//y": "/x//y", "/ünï": "/%C3%BCn%C3%AF", "/@evil.example": "/@evil.example", "/a:b": "/a:b", "/.well-known": "/.well-known", "/...": "/...", "/a/..b//c": "/a/..b//c",
		"/x?next=https://evil.example": "/x?next=https://evil.example",
	} {
		if got := localPath(raw); got != want {
			t.Errorf("localPath(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestASignInNeverReturnsToItsOwnRoutes(t *testing.T) {
	t.Parallel()
	a := &Authenticator{cfg: Config{LoginPath: "/auth/login", LogoutPath: "/auth/logout", AfterLogin: "/home"}, callback: "/auth/callback"}
	for raw, want := range map[string]string{
		"/auth/login?return_to=/auth/login": "/home", "/auth/callback?code=x": "/home", "/auth/logout": "/home", "//evil": "/home", "/auth/other": "/auth/other",
	} {
		if got := a.returnPath(raw); got != want {
			t.Errorf("returnPath(%q) = %q, want %q", raw, got, want)
		}
	}
}
