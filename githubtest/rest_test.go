package githubtest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
)

// client is go-github with a token.
func client(t *testing.T, gh *githubtest.Server, access string) *github.Client {
	t.Helper()
	c, err := github.NewClient(github.WithAuthToken(access), github.WithEnterpriseURLs(gh.URL(), gh.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// statusOf returns the status of a go-github error.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var response *github.ErrorResponse
	if !errors.As(err, &response) {
		t.Fatalf("not an answer of the API: %v", err)
	}
	return response.Response.StatusCode
}

func TestGoGitHubReadsWhatExamplesNeed(t *testing.T) {
	t.Parallel()
	gh := everybody(t, oauthApp())
	c := client(t, gh, gh.IssueToken(clientID, "octocat", "user", "repo", "read:org").AccessToken)
	ctx := t.Context()
	emails, _, err := c.Users.ListEmails(ctx, nil)
	if err != nil || len(emails) != 1 || !emails[0].GetVerified() || !emails[0].GetPrimary() {
		t.Errorf("emails %v, %v", emails, err)
	}
	repos, _, err := c.Repositories.ListByAuthenticatedUser(ctx, nil)
	if err != nil || len(repos) != 3 || repos[0].GetFullName() != "octocat/hello" || repos[2].GetOwner().GetLogin() != "octo-org" {
		t.Errorf("repositories %v, %v", repos, err)
	}
	orgs, _, err := c.Organizations.List(ctx, "", nil)
	if err != nil || len(orgs) != 3 || orgs[0].GetLogin() != "octo-org" {
		t.Errorf("organizations %v, %v", orgs, err)
	}
	membership, _, err := c.Organizations.GetOrgMembership(ctx, "", "octo-org")
	if err != nil || membership.GetRole() != "admin" || membership.GetState() != "active" {
		t.Errorf("membership %v, %v", membership, err)
	}
	team, _, err := c.Teams.GetTeamMembershipBySlug(ctx, "octo-org", "league", "octocat")
	if err != nil || team.GetRole() != "maintainer" {
		t.Errorf("team %v, %v", team, err)
	}
	if member, _, err := c.Organizations.IsMember(ctx, "octo-org", "hubot"); err != nil || !member {
		t.Errorf("hubot is a member: %v, %v", member, err)
	}
	limits, _, err := c.RateLimit.Get(ctx)
	if err != nil || limits.Core.Limit != 5000 {
		t.Errorf("rate limit %v, %v", limits, err)
	}
}

func TestUserLeavesOrganizationWhileSignedIn(t *testing.T) {
	t.Parallel()
	gh := everybody(t, oauthApp())
	c := client(t, gh, gh.IssueToken(clientID, "octocat", "read:org").AccessToken)
	if _, _, err := c.Organizations.GetOrgMembership(t.Context(), "", "octo-org"); err != nil {
		t.Fatal(err)
	}
	gh.AddUser(githubtest.User{ID: 583231, Login: "octocat"})
	if _, _, err := c.Organizations.GetOrgMembership(t.Context(), "", "octo-org"); statusOf(t, err) != http.StatusNotFound {
		t.Error(err)
	}
}

func TestRenamedUserKeepsIDAndTokensAndFreesTheLogin(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	c := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken)
	gh.RenameUser(583231, "renamed")
	gh.AddUser(githubtest.User{Login: "octocat"})
	u, _, err := c.Users.Get(t.Context(), "")
	if err != nil || u.GetLogin() != "renamed" || u.GetID() != 583231 {
		t.Errorf("%v, %v", u, err)
	}
	other, _, err := c.Users.Get(t.Context(), "octocat")
	if err != nil || other.GetID() == 583231 {
		t.Errorf("the free login: %v, %v", other, err)
	}
}

func TestEmailOnTheProfileIsNullUnlessPublic(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	for login, want := range map[string]string{"octocat": "octocat@github.example", "hubot": ""} {
		u, _, err := client(t, gh, gh.IssueToken(clientID, login, "user").AccessToken).Users.Get(t.Context(), "")
		if err != nil || u.GetEmail() != want {
			t.Errorf("%s: e-mail %q, want %q, %v", login, u.GetEmail(), want, err)
		}
	}
}

func TestTokensWithoutScopeSeeLess(t *testing.T) {
	t.Parallel()
	gh := everybody(t, oauthApp())
	c := client(t, gh, gh.IssueToken(clientID, "octocat", "gist").AccessToken)
	u, res, err := c.Users.Get(t.Context(), "")
	if err != nil || u.Plan != nil || u.TotalPrivateRepos != nil {
		t.Errorf("private profile without the scope: %v, %v", u, err)
	}
	if got := res.Header.Get("X-OAuth-Scopes"); got != "gist" {
		t.Errorf("X-OAuth-Scopes %q", got)
	}
	repos, _, err := c.Repositories.ListByAuthenticatedUser(t.Context(), nil)
	if err != nil || len(repos) != 2 {
		t.Errorf("%d repositories without the scope repo, want the 2 public ones, %v", len(repos), err)
	}
	_, res, err = c.Users.ListEmails(t.Context(), nil)
	if statusOf(t, err) != http.StatusNotFound || res.Header.Get("X-Accepted-OAuth-Scopes") != "user:email" {
		t.Errorf("e-mails: %v, accepted %q", err, res.Header.Get("X-Accepted-OAuth-Scopes"))
	}
	if _, _, err = c.Organizations.List(t.Context(), "", nil); statusOf(t, err) != http.StatusForbidden {
		t.Errorf("organizations: %v", err)
	}
}

func TestHeadersAboutTheToken(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithApp(githubtest.App{ClientID: "bot", Kind: githubtest.GitHubApp, NoExpiry: true}))
	expiring := gh.IssueToken(clientID, "octocat", "user", "repo")
	_, res, err := client(t, gh, expiring.AccessToken).Users.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("X-OAuth-Scopes"); got != "user, repo" {
		t.Errorf("X-OAuth-Scopes %q", got)
	}
	if got, want := res.TokenExpiration.Time, expiring.ExpiresAt; want.Sub(got).Abs() > time.Second {
		t.Errorf("go-github reads the expiry %v, want %v", got, want)
	}
	if res.Rate.Limit != 5000 || res.Rate.Remaining != 4999 || res.Rate.Reset.IsZero() {
		t.Errorf("rate %+v", res.Rate)
	}
	_, res, err = client(t, gh, gh.IssueToken("bot", "octocat").AccessToken).Users.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Header.Values("X-OAuth-Scopes")) > 0 || !res.TokenExpiration.IsZero() {
		t.Errorf("headers of a GitHub App's endless token: %v", res.Header)
	}
	if res.Rate.Remaining != 4998 {
		t.Errorf("all tokens of a user share one limit, but %d remain", res.Rate.Remaining)
	}
}

func TestRepositoriesComeInPages(t *testing.T) {
	t.Parallel()
	var repos []githubtest.Repo
	for range 7 {
		repos = append(repos, githubtest.Repo{Name: "r"})
	}
	gh := githubtest.Start(t, oauthApp(), githubtest.WithUser(githubtest.User{Login: "octocat", Repos: repos}))
	c := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken)
	opts := &github.RepositoryListByAuthenticatedUserOptions{ListOptions: github.ListOptions{PerPage: 3}}
	var sizes []int
	for {
		page, res, err := c.Repositories.ListByAuthenticatedUser(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page))
		if res.NextPage == 0 {
			if res.FirstPage != 1 || res.PrevPage != 2 {
				t.Errorf("links of the last page: %+v", res)
			}
			break
		}
		if res.LastPage != 3 {
			t.Errorf("last page %d", res.LastPage)
		}
		opts.Page = res.NextPage
	}
	if len(sizes) != 3 || sizes[0] != 3 || sizes[2] != 1 {
		t.Errorf("pages of %v", sizes)
	}
}

func TestAppVerifiesAnInstallationThatABrowserNamed(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(gitHubApp))
	c := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken)
	list, _, err := c.Apps.ListUserInstallations(t.Context(), nil)
	if err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	gh.SignInAs("octocat")
	_, location := get(t, browser(t), gh.URL()+"/apps/demo/installations/new")
	list, _, err = c.Apps.ListUserInstallations(t.Context(), nil)
	if err != nil || len(list) != 1 || location.Query().Get("installation_id") == "" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestUnknownAPIVersionAndUnknownPath(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	for _, test := range []struct {
		path, version string
		want          int
	}{
		{"/meta", "2022-11-28", 200},
		{"/meta", "2026-03-10", 200},
		{"/meta", "2021-01-01", 400},
		{"/api/v3/nothing", "", 404},
		{"/nothing", "", 404},
		{"/api/uploads/x", "", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gh.URL()+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.version != "" {
			req.Header.Set("X-GitHub-Api-Version", test.version)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Message string }
		err = json.NewDecoder(res.Body).Decode(&body)
		_ = res.Body.Close()
		if res.StatusCode != test.want || err != nil {
			t.Errorf("%s %s: %s, want %d, %v", test.path, test.version, res.Status, test.want, err)
		}
	}
}
