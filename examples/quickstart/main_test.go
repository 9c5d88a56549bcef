package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestQuickstart(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("with nothing set it signs in offline, reads /me and /repos, and signs out", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		home := p.Line(t, "Open ")
		b := demotest.NewBrowser(t)

		if page := b.Get(t, home); !strings.Contains(page.Body, "Sign in with GitHub") || !strings.Contains(page.Body, "fake GitHub") {
			t.Errorf("no way to sign in, or no word that GitHub is a fake:\n%s", page.Body)
		}
		got := readMe(t, b.Authorize(t, b.Get(t, home+"me?tab=1"), "octocat"))
		if got.ID != 583231 || got.Login != "octocat" || got.Name == nil || *got.Name != "The Octocat" {
			t.Errorf("/me = %+v", got)
		}
		if strings.Join(got.Scopes, " ") != "read:user" || got.ExpiresAt == nil || time.Until(*got.ExpiresAt) < time.Hour {
			t.Errorf("scopes %q, expires %v", got.Scopes, got.ExpiresAt)
		}
		if page := b.Get(t, home); !strings.Contains(page.Body, "The Octocat") || strings.Contains(page.Body, "Sign in with") {
			t.Errorf("the start page doesn't show who is signed in:\n%s", page.Body)
		}
		if page := b.Get(t, home+"repos"); !strings.Contains(page.Body, "octocat/hello-world") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("/repos, with the policy %q:\n%s", page.Header.Get("Content-Security-Policy"), page.Body)
		}
		if page := b.Post(t, home+"auth/github/logout", nil); page.URL.Path != "/" || !strings.Contains(page.Body, "Sign in with GitHub") {
			t.Errorf("after the sign-out at %s:\n%s", page.URL, page.Body)
		}
		if page := b.GetJSON(t, home+"me"); page.Status != http.StatusUnauthorized || strings.Contains(page.Body, "octocat") {
			t.Errorf("/me after the sign-out: status %d\n%s", page.Status, page.Body)
		}
	})
	t.Run("the environment points it at another GitHub", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{
			Kind: githubtest.GitHubApp, NoExpiry: true,
			Callbacks: []string{"http://127.0.0.1:0/auth/github/callback"},
		})
		gh.AddUser(githubtest.User{ID: 42, Login: "nameless"})
		gh.SignInAs("nameless")
		p := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0")
		home := p.Line(t, "Open ")
		gh.UpdateApp(app.ClientID, func(a *githubtest.App) { a.Callbacks = []string{home + "auth/github/callback"} })

		b := demotest.NewBrowser(t)
		got := readMe(t, b.Get(t, home+"me"))
		if got.ID != 42 || got.Login != "nameless" || len(got.Scopes) != 0 || got.ExpiresAt != nil {
			t.Errorf("/me = %+v", got)
		}
		page := b.Get(t, home)
		if strings.Contains(page.Body, "fake GitHub") || !strings.Contains(page.Body, "nameless") {
			t.Errorf("the start page:\n%s", page.Body)
		}
		b.Post(t, home+"auth/github/logout", nil)
		p.Interrupt(t)
		if status, stdout, stderr := p.Wait(t); status != 0 {
			t.Errorf("status %d", status)
		} else {
			for _, secret := range gh.Secrets() {
				if strings.Contains(stdout+stderr, secret) {
					t.Error("the output holds a secret")
				}
			}
		}
		if n := gh.LiveTokens(app.ClientID, 42); n != 0 {
			t.Errorf("%d tokens are alive after the sign-out, want 0", n)
		}
	})
	t.Run("cancel at GitHub is a page with a way on", func(t *testing.T) {
		t.Parallel()
		p := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0")
		b := demotest.NewBrowser(t)
		page := b.Cancel(t, b.Get(t, p.Line(t, "Open ")+"me"))
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "/auth/github/login?return_to=%2Fme") {
			t.Errorf("status %d:\n%s", page.Status, page.Body)
		}
	})
	t.Run("all that is wrong with the environment is one message", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_ID=1234567", "GITHUB_CLIENT_SECRET=a secret\nin two lines", "GITHUB_BASE_URL=http://ghe.example.com"},
			"in two lines", "client id", "client secret", "GITHUB_BASE_URL")
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "client id")
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_ID=Ov23liExample"}, "", "client secret")
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_BASE_URL=https://ghe.example.com"}, "", "client id", "client secret")
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_REDIRECT_URL=http://example.com/callback"}, "", "redirect url")
	})
	t.Run("an address that is taken is one sentence and status 1", func(t *testing.T) {
		t.Parallel()
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		status, stdout, stderr := demotest.Start(t, bin, nil, "-addr", taken.Addr().String()).Wait(t)
		if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "-addr") {
			t.Errorf("status %d, output %q, error %q", status, stdout, stderr)
		}
	})
	t.Run("an interrupt ends it with status 0", func(t *testing.T) {
		t.Parallel()
		demotest.EndsOnInterrupt(t, bin)
	})
}

// me is the answer of /me.
type me struct {
	ID        int64      `json:"id"`
	Login     string     `json:"login"`
	Name      *string    `json:"name"`
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func readMe(t *testing.T, page demotest.Page) me {
	t.Helper()
	var got me
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: status %d, %s", page.URL, page.Status, page.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(strings.NewReader(page.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, page.Body)
	}
	if !strings.Contains(page.Body, `"expires_at"`) || got.Scopes == nil {
		t.Errorf("a field is left out: %s", page.Body)
	}
	return got
}
