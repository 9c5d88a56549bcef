package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestBackground(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("the worker goes on for a user who signed out, and stops for one who is forgotten", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{NoExpiry: true, Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("octocat")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0", "-every", "20ms")
		home := p.Line(t, "Open ")
		b := demotest.NewBrowser(t)
		b.Get(t, home+"auth/github/login")
		b.Post(t, home+"watch", nil)
		if page := b.Post(t, home+"auth/github/logout", nil); !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Fatalf("after the sign-out:\n%s", page.Body)
		}
		gh.RenameUser(583231, "renamed") // What the worker says from now on, it found out after the sign-out.
		p.Line(t, "For user id 583231: GitHub answers renamed.")
		if n := gh.LiveTokens(app.ClientID, 583231); n != 1 {
			t.Errorf("%d tokens are alive while the user is away, want 1", n)
		}

		gh.SignInAs("renamed")
		b.Get(t, home+"auth/github/login")
		if page := b.Post(t, home+"forget", nil); !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Fatalf("after being forgotten:\n%s", page.Body)
		}
		p.Line(t, "For user id 583231 nothing can be done any more: ")
		p.Interrupt(t)
		status, stdout, stderr := p.Wait(t)
		if status != 0 {
			t.Errorf("status %d", status)
		}
		if n := gh.LiveTokens(app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens are alive after the user was forgotten, want 0", n)
		}
		for _, secret := range gh.Secrets() {
			if strings.Contains(stdout+stderr, secret) {
				t.Error("the output holds a secret")
			}
		}
	})
	t.Run("a grant that is taken back at GitHub ends it, too", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{NoExpiry: true, Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("hubot")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0", "-every", "20ms")
		home := p.Line(t, "Open ")
		b := demotest.NewBrowser(t)
		b.Get(t, home+"auth/github/login")
		b.Post(t, home+"watch", nil)
		p.Line(t, "For user id 480938: GitHub answers hubot.")
		gh.RevokeUser(app.ClientID, 480938)
		p.Line(t, "For user id 480938 nothing can be done any more: ")
	})
	t.Run("nobody is watched who is not signed in", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		for _, path := range []string{"watch", "forget"} {
			if page := demotest.NewBrowser(t).Post(t, home+path, nil); page.Status != http.StatusUnauthorized {
				t.Errorf("POST /%s by a stranger: status %d, want 401", path, page.Status)
			}
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}
