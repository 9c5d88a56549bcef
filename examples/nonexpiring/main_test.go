package main

import (
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestNonexpiring(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("offline it acts twice for the user who signed in once", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		b := demotest.NewBrowser(t)
		b.Authorize(t, b.Get(t, p.Line(t, "Open ")), "monalisa")
		status, stdout, stderr := p.Wait(t)
		if status != 0 || !strings.Contains(stdout, "the token never expires") ||
			strings.Count(stdout, "Acting for user id 1024025: GitHub answers monalisa.\n") != 2 {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
	})
	t.Run("at another GitHub it asks for one token, and the sign-out revokes it", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{NoExpiry: true, Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("octocat")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0")
		demotest.NewBrowser(t).Get(t, p.Line(t, "Open "))
		status, stdout, stderr := p.Wait(t)
		if status != 0 || strings.Count(stdout, "GitHub answers octocat.\n") != 2 {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
		if n := gh.TokenRequests(""); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
		if n := gh.LiveTokens(app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens are alive after the sign-out, want 0", n)
		}
		for _, secret := range gh.Secrets() {
			if strings.Contains(stdout+stderr, secret) {
				t.Error("the output holds a secret")
			}
		}
	})
	t.Run("all that is wrong with the environment is one message", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_BASE_URL=ghe.example.com"}, "", "client id", "client secret", "GITHUB_BASE_URL")
	})
	t.Run("an interrupt ends it with status 0", func(t *testing.T) {
		t.Parallel()
		demotest.EndsOnInterrupt(t, bin)
	})
}
