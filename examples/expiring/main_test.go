package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

var answer = regexp.MustCompile(`GitHub answers octocat; the token expires at (\d\d:\d\d:\d\d)\.`)

func TestExpiring(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("offline it acts with a refreshed token after the first one ran out", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		b := demotest.NewBrowser(t)
		b.Authorize(t, b.Get(t, p.Line(t, "Open ")), "octocat")
		status, stdout, stderr := p.Wait(t)
		times := answer.FindAllStringSubmatch(stdout, -1)
		if status != 0 || len(times) != 2 || times[0][1] == times[1][1] {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
	})
	t.Run("at another GitHub an OAuth App's token expires because that is asked for", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{
			NoExpiry: true, TokenLife: 2 * time.Second, Callbacks: []string{"http://127.0.0.1/auth/github/callback"},
		})
		gh.SignInAs("octocat")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0")
		demotest.NewBrowser(t).Get(t, p.Line(t, "Open "))
		status, stdout, stderr := p.Wait(t)
		if status != 0 || len(answer.FindAllString(stdout, -1)) != 2 {
			t.Errorf("status %d\n%s%s", status, stdout, stderr)
		}
		if codes, refreshes := gh.TokenRequests("authorization_code"), gh.TokenRequests("refresh_token"); codes != 1 || refreshes < 1 {
			t.Errorf("%d codes and %d refreshes, want 1 and at least 1", codes, refreshes)
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
	t.Run("a token that outlives the wait is said at once", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("octocat")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0")
		demotest.NewBrowser(t).Get(t, p.Line(t, "Open "))
		if status, _, stderr := p.Wait(t); status != 1 || !strings.Contains(stderr, "-timeout 9h") {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("all that is wrong with the environment is one message", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_ID=Ov23li Example"}, "", "client id", "client secret")
	})
	t.Run("an interrupt ends it with status 0", func(t *testing.T) {
		t.Parallel()
		demotest.EndsOnInterrupt(t, bin)
	})
}
