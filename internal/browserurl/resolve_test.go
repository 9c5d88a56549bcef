package browserurl_test

import (
	"testing"

	"github.com/ghlogin/ghlogin/internal/browserurl"
)

// The same is asked of a real browser, for every hostile path, in e2e.
func TestResolveReadsAddressesAsBrowsersDo(t *testing.T) {
	t.Parallel()
	own := func(path string) browserurl.Place {
		return browserurl.Place{Scheme: "https", Site: "app.example", Path: path}
	}
	foreign := func(scheme, site, path string) browserurl.Place {
		return browserurl.Place{Scheme: scheme, Site: site, Path: path}
	}
	for ref, want := range map[string]browserurl.Place{
		"":                         own("/auth/callback"),
		"?x=//y":                   own("/auth/callback"),
		"#//y":                     own("/auth/callback"),
		"x":                        own("/auth/x"),
		"../x":                     own("/x"),
		"/a/./b/../c?d#e":          own("/a/c"),
		"/a/%2E%2e/b/.":            own("/b/"),
		"/.//evil.example":         own("//evil.example"),
		"/%2f/evil.example":        own("/%2f/evil.example"),
		`https:\x`:                 own("/x"),
		"https:x":                  own("/auth/x"),
		"//evil.example":           foreign("https", "evil.example", "/"),
		`/\evil.example\x?y`:       foreign("https", "evil.example", "/x"),
		"/\t/evil.example:443/x#y": foreign("https", "evil.example", "/x"),
		"\x00 //a@EVIL.example":    foreign("https", "a@evil.example", "/"),
		"http:evil.example":        foreign("http", "evil.example", "/"),
		"htt\nps:////evil.example": foreign("https", "evil.example", "/"),
		"JavaScript:alert(1)":      foreign("javascript", "", "alert(1)"),
	} {
		if got := browserurl.Resolve("app.example", "/auth/callback", ref); got != want {
			t.Errorf("Resolve(%q) = %+v, want %+v", ref, got, want)
		}
	}
}

func TestThereAreManyHundredHostilePathsAndNoneTwice(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, path := range browserurl.Hostile() {
		if seen[path] {
			t.Errorf("%q is there twice", path)
		}
		seen[path] = true
	}
	if len(seen) < 1500 {
		t.Errorf("there are %d hostile paths", len(seen))
	}
}
