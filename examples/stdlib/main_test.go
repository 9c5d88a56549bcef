package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestStdlib(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("what a visitor put into their session outlives sign-in and sign-out", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		if !strings.HasSuffix(home, "/app/") {
			t.Fatalf("the page to open is %s", home)
		}
		b.Post(t, home+"basket", nil)
		if page := b.Post(t, home+"basket", nil); !strings.Contains(page.Body, "Nobody is signed in. In your basket: 2.") {
			t.Fatalf("before the sign-in at %s:\n%s", page.URL, page.Body)
		}
		page := b.Authorize(t, b.Get(t, home+"checkout"), "octocat")
		if page.URL.Path != "/app/checkout" || !strings.Contains(page.Body, "Hello, octocat. In your basket: 2.") {
			t.Errorf("after the sign-in at %s:\n%s", page.URL, page.Body)
		}
		if names := strings.Join(b.Cookies(t, home), " "); !strings.Contains(names, "session") || strings.Contains(names, "ghlogin") {
			t.Errorf("the browser has the cookies %q, want the app's session and none beside it", names)
		}
		page = b.Post(t, home+"auth/github/logout", nil)
		if page.URL.Path != "/app/" || !strings.Contains(page.Body, "Nobody is signed in. In your basket: 2.") {
			t.Errorf("after the sign-out at %s:\n%s", page.URL, page.Body)
		}
		if page := b.GetJSON(t, home+"checkout"); page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, `"/app/auth/github/login"`) {
			t.Errorf("a script gets status %d and no login_url below the prefix: %s", page.Status, page.Body)
		}
	})
	t.Run("nothing of it stands outside the prefix", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		root := strings.TrimSuffix(home, "app/")
		for _, path := range []string{"", "auth/github/login", "checkout"} {
			if page := demotest.NewBrowser(t).Get(t, root+path); page.Status != http.StatusNotFound {
				t.Errorf("/%s: status %d, want 404", path, page.Status)
			}
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}
