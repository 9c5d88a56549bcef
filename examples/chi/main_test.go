package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

var endButton = regexp.MustCompile(`<button name="end" value="([0-9a-f]+)">`)

func TestChi(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("a visitor of the group signs in, lands where they wanted to go, and signs out", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		if page := b.Get(t, home); page.Status != http.StatusOK || !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Errorf("the start page: status %d\n%s", page.Status, page.Body)
		}
		page := b.Authorize(t, b.Get(t, home+"repos/octocat"), "octocat")
		if page.URL.Path != "/repos/octocat" || !strings.Contains(page.Body, "octocat/hello-world\n") {
			t.Errorf("%s:\n%s", page.URL, page.Body)
		}
		if page := b.Get(t, home); !strings.Contains(page.Body, "Hello, octocat.") {
			t.Errorf("the start page does not know the user:\n%s", page.Body)
		}
		if page := b.Post(t, home+"auth/github/logout", nil); !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Errorf("after the sign-out at %s:\n%s", page.URL, page.Body)
		}
		if page := b.GetJSON(t, home+"repos/octocat"); page.Status != http.StatusUnauthorized {
			t.Errorf("the group after the sign-out: status %d, want 401", page.Status)
		}
	})
	t.Run("a user ends the sign-in of another browser from their list", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		here, lost := demotest.NewBrowser(t), demotest.NewBrowser(t)
		for _, b := range []*demotest.Browser{lost, here} {
			if page := b.Authorize(t, b.Get(t, home+"sign-ins"), "octocat"); page.URL.Path != "/sign-ins" || page.Status != http.StatusOK {
				t.Fatalf("%s: status %d\n%s", page.URL, page.Status, page.Body)
			}
		}
		page := here.Get(t, home+"sign-ins")
		buttons := endButton.FindAllStringSubmatch(page.Body, -1)
		if len(buttons) != 1 || strings.Count(page.Body, "(this one)") != 1 || strings.Count(page.Body, "Go-http-client") != 2 {
			t.Fatalf("want this browser and a button for the other:\n%s", page.Body)
		}
		page = here.Post(t, home+"auth/github/logout", url.Values{"end": {buttons[0][1]}, "return_to": {"/sign-ins"}})
		if page.URL.Path != "/sign-ins" || endButton.MatchString(page.Body) {
			t.Errorf("after it at %s:\n%s", page.URL, page.Body)
		}
		if page := lost.GetJSON(t, home+"sign-ins"); page.Status != http.StatusUnauthorized {
			t.Errorf("the other browser: status %d, want 401", page.Status)
		}
	})
	t.Run("a page that is not there stays chi's 404", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		if page := demotest.NewBrowser(t).Get(t, home+"nothing"); page.Status != http.StatusNotFound {
			t.Errorf("status %d, want 404", page.Status)
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}
