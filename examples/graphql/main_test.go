package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

func TestGraphQL(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("offline it lists the repositories of whoever signs in", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		page := b.Authorize(t, b.Get(t, home), "octocat")
		if page.Status != http.StatusOK || page.Body != "octocat, you can see 3 repositories:\noctocat/hello-world\noctocat/spoon-knife\nocto-org/octo-repo\n" {
			t.Errorf("status %d:\n%s", page.Status, page.Body)
		}
	})
	t.Run("the query goes to GraphQL where an Enterprise Server has it, with the user's token", func(t *testing.T) {
		t.Parallel()
		gh := githubtest.Start(t)
		app := gh.AddApp(githubtest.App{NoExpiry: true, Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
		gh.SignInAs("hubot")
		home := demotest.Start(t, bin, []string{
			"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		}, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		if page := b.Get(t, home); !strings.Contains(page.Body, "hubot/scripts") {
			t.Errorf("status %d:\n%s", page.Status, page.Body)
		}
		if n := countCalls(gh, "/api/graphql"); n != 1 {
			t.Errorf("%d calls of the GraphQL API, want 1", n)
		}
		gh.RevokeUser(app.ClientID, 480938)
		if page := b.GetJSON(t, home); page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, `"reason":"revoked"`) {
			t.Errorf("after the user took their grant back: status %d:\n%s", page.Status, page.Body)
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}

func countCalls(gh *githubtest.Server, path string) (n int) {
	for _, c := range gh.Calls() {
		if c.Path == path {
			n++
		}
	}
	return n
}
