package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestGin(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("a visitor signs in, lands where they wanted to go, and signs out", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		if page := b.Get(t, home); page.Status != http.StatusOK || !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Errorf("the start page: status %d\n%s", page.Status, page.Body)
		}
		page := b.Authorize(t, b.Get(t, home+"me?x=1"), "octocat")
		if page.Status != http.StatusOK || page.URL.Path != "/me" || strings.TrimSpace(page.Body) != `{"id":583231,"login":"octocat"}` {
			t.Errorf("%s: status %d\n%s", page.URL, page.Status, page.Body)
		}
		if page := b.Get(t, home); !strings.Contains(page.Body, "Hello, octocat.") {
			t.Errorf("the start page does not know the user:\n%s", page.Body)
		}
		if page := b.Post(t, home+"auth/github/logout", nil); page.Status != http.StatusOK || !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Errorf("after the sign-out: status %d\n%s", page.Status, page.Body)
		}
	})
	t.Run("who is not signed in sees nothing of a page behind Require", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		page := b.GetJSON(t, home+"me")
		if page.Status != http.StatusUnauthorized || page.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(page.Body, "octocat") {
			t.Errorf("status %d, %s:\n%s", page.Status, page.Header.Get("Content-Type"), page.Body)
		}
		if page := b.Get(t, home+"nothing"); page.Status != http.StatusNotFound {
			t.Errorf("a page that is not there: status %d, want 404", page.Status)
		}
	})
	t.Run("a token that was revoked at GitHub sends the user to sign in again", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{NoExpiry: true, Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("hubot")
		home := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		b.Get(t, home+"me")
		gh.RevokeUser(app.ClientID, 480938)
		if page := b.GetJSON(t, home+"me"); page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, `"reason":"revoked"`) {
			t.Errorf("status %d:\n%s", page.Status, page.Body)
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}
