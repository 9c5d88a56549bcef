package e2e

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/internal/browserurl"
)

// reading is what the browser makes of a reference.
type reading struct {
	Own  bool   // It leads to the site itself.
	Web  bool   // It leads to a web site at all.
	Path string // Where to, if it does.
}

// browserReads asks the browser.
func browserReads(t *testing.T, base string, refs []string) []reading {
	t.Helper()
	tab := newBrowser(t)
	list, err := json.Marshal(refs)
	if err != nil {
		t.Fatal(err)
	}
	return script[[]reading](tab, t, `(() => {
		const base = new URL("`+base+`")
		return `+string(list)+`.map(ref => {
			try {
				const u = new URL(ref, base)
				return {Own: u.origin === base.origin && u.username === "" && u.password === "", Web: u.protocol.startsWith("http"), Path: u.pathname}
			} catch {
				return {Own: false, Web: false, Path: ""}
			}
		})
	})()`)
}

// hostile are the hostile paths that can be told a browser in JSON.
func hostile() []string {
	var refs []string
	for _, ref := range browserurl.Hostile() {
		if utf8.ValidString(ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// The tests of return paths go by internal/browserurl. Here the browser says whether that is right.
func TestBrowserReadsHostilePathsAsTheTestsSay(t *testing.T) {
	t.Parallel()
	refs := hostile()
	elsewhere := 0
	for i, read := range browserReads(t, "https://app.example/auth/callback", refs) {
		at := browserurl.Resolve("app.example", "/auth/callback", refs[i])
		own := at.Scheme == "https" && at.Site == "app.example"
		// What can't be a web address leads nowhere: the browser says no, and browserurl names a site that is none.
		if own != read.Own {
			t.Errorf("%.100q: the browser says %+v, browserurl %+v", refs[i], read, at)
		}
		if path := (&url.URL{Path: at.Path}).Path; own && strings.HasPrefix(path, "//") != strings.HasPrefix(read.Path, "//") {
			t.Errorf("%.100q: the browser asks for %.100q, browserurl for %.100q", refs[i], read.Path, at.Path)
		}
		if !read.Own {
			elsewhere++
		}
	}
	if elsewhere < 900 {
		t.Errorf("%d of %d lead elsewhere: they are not hostile", elsewhere, len(refs))
	}
}

// A few dozen of those that lead this browser to another web site, as the path to return to of a whole sign-in each.
func TestHostileReturnPathsEndOnTheSite(t *testing.T) {
	t.Parallel()
	town := newTown(t)
	var nasty []string
	for i, read := range browserReads(t, town.home+"auth/github/callback", hostile()) {
		ref := hostile()[i]
		// One target is enough for each way of getting there; a few more that only look harmless.
		if read.Web && !read.Own && len(ref) < 100 && strings.HasSuffix(ref, "evil.example") || strings.HasPrefix(read.Path, "//evil.example:443") {
			nasty = append(nasty, ref)
		}
	}
	if len(nasty) < 40 {
		t.Fatalf("only %d paths are nasty", len(nasty))
	}
	tab := newBrowser(t)
	for i, ref := range nasty {
		if i%(len(nasty)/40) != 0 {
			continue // Some forty take long enough.
		}
		do(tab, t, chromedp.Navigate(town.home+"auth/github/login?"+url.Values{"return_to": {ref}}.Encode()))
		if at := read(tab, t, chromedp.Location()); at != town.home {
			t.Errorf("return_to=%q ends at %s", ref, at)
		}
	}
	town.wantLogin(tab, t, "octocat", "after all that")
}
