package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestOnetime(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("offline it signs in the user who is chosen on GitHub's page", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		b := demotest.NewBrowser(t)
		if page := b.Authorize(t, b.Get(t, p.Line(t, "Open ")), "hubot"); page.Status != http.StatusOK {
			t.Errorf("the browser ends with status %d: %s", page.Status, page.Body)
		}
		status, stdout, stderr := p.Wait(t)
		if status != 0 || !strings.HasSuffix(stdout, "\nSigned in as hubot, user id 480938.\nThe token is revoked.\n") {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
	})
	t.Run("at another GitHub it uses one code, leaves no token and prints no secret", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("octocat")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0")
		demotest.NewBrowser(t).Get(t, p.Line(t, "Open "))
		status, stdout, stderr := p.Wait(t)
		if status != 0 || !strings.Contains(stdout, "Signed in as octocat, user id 583231.") {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
		if live, exchanges := gh.LiveTokens(app.ClientID, 583231), gh.TokenRequests("authorization_code"); live != 0 || exchanges != 1 {
			t.Errorf("%d live tokens and %d exchanges, want 0 and 1", live, exchanges)
		}
		for _, secret := range gh.Secrets() {
			if strings.Contains(stdout+stderr, secret) {
				t.Error("the output holds a secret")
			}
		}
	})
	t.Run("a callback with another state, or with none, is turned away and the wait goes on", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		open := p.Line(t, "Open ")
		u, err := url.Parse(open)
		if err != nil {
			t.Fatal(err)
		}
		callback := u.Query().Get("redirect_uri")
		b := demotest.NewBrowser(t)
		for _, q := range []string{"?code=planted&state=" + u.Query().Get("state") + "x", "?code=planted&state=", "?code=planted"} {
			if page := b.Get(t, callback+q); page.Status != http.StatusBadRequest {
				t.Errorf("%s: status %d, want 400", q, page.Status)
			}
		}
		b.Authorize(t, b.Get(t, open), "octocat")
		if status, stdout, stderr := p.Wait(t); status != 0 || !strings.Contains(stdout, "Signed in as octocat") {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
	})
	t.Run("cancel at GitHub is said, with status 1", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		b := demotest.NewBrowser(t)
		b.Cancel(t, b.Get(t, p.Line(t, "Open ")))
		if status, _, stderr := p.Wait(t); status != 1 || !strings.Contains(stderr, "the user refused") {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("nobody comes, and it gives up", func(t *testing.T) {
		t.Parallel()
		status, _, stderr := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0", "-timeout", "100ms").Wait(t)
		if status != 1 || !strings.Contains(stderr, "-timeout") || strings.Contains(stderr, "goroutine ") {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("all that is wrong with the environment is one message", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{
			"GITHUB_CLIENT_ID=1234567", "GITHUB_CLIENT_SECRET=hunter2\n", "GITHUB_BASE_URL=http://ghe.example.com",
		}, "hunter2", "client id", "client secret", "GITHUB_BASE_URL")
	})
	t.Run("an interrupt ends it with status 0", func(t *testing.T) {
		t.Parallel()
		demotest.EndsOnInterrupt(t, bin)
	})
}
