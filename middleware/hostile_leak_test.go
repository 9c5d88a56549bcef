package middleware_test

import (
	"net/http"
	"strings"
	"testing"
)

// The callback's address holds a code and a state. The answer to it is kept by no cache, tells the next page nothing of where
// the visitor comes from, and is a redirect by GET, so that the address stands in no history and no form is sent on.
func TestCodeLeaksByNoRefererCacheHistoryNorForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	login := b.still(func() page { return b.get("/auth/github/login") })
	callback := b.begin("/auth/github/login?return_to=/me")
	finished := b.still(func() page { return b.get(callback) })
	for _, step := range []struct {
		page   page
		status int
	}{{login, http.StatusFound}, {finished, http.StatusSeeOther}, {b.still(b.signOut), http.StatusSeeOther}} {
		p := step.page
		if p.StatusCode != step.status || p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" || p.body != "" {
			t.Errorf("%s = %d %v %q, want %d, no-store, no-referrer and nothing more", p.Request.URL.Path, p.StatusCode, p.Header, p.body, step.status)
		}
	}
	if to := finished.Header.Get("Location"); to != "/me" {
		t.Errorf("the callback leads to %s", to)
	}
}

// A page in another site's frame, under something else to click at, has a visitor press what they don't see.
func TestPagesCantBeFramedNorSendForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, target := range []string{"/auth/github/callback", "/auth/github/logout", "/auth/github/callback?error=access_denied"} {
		csp := s.browser(t).get(target).Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q has no %s", target, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "http") {
			t.Errorf("%s: the policy is %q", target, csp)
		}
	}
}
