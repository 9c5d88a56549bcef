package githubtest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
)

// membership asks for octocat's place in an organization.
func membership(t *testing.T, gh *githubtest.Server, access, org string) (r reply, state string) {
	t.Helper()
	m, res, err := client(t, gh, access).Organizations.GetOrgMembership(t.Context(), "", org)
	if err != nil && res == nil {
		t.Fatal(err)
	}
	return reply{StatusCode: res.StatusCode, Header: res.Header}, m.GetState()
}

func TestOrganizationThatEnforcesSAMLNamesThePageToSignOnAt(t *testing.T) {
	t.Parallel()
	gh := everybody(t, oauthApp())
	access := gh.IssueToken(clientID, "octocat", "read:org").AccessToken
	r, _ := membership(t, gh, access, "GUARDED")
	kind, page, _ := strings.Cut(r.Header.Get("X-GitHub-SSO"), "; url=")
	if r.StatusCode != http.StatusForbidden || kind != "required" || !strings.HasPrefix(page, gh.URL()+"/orgs/guarded/sso?") {
		t.Fatalf("without a sign-on: %d, X-GitHub-SSO %q", r.StatusCode, r.Header.Get("X-GitHub-SSO"))
	}
	gh.SignInAs("octocat")
	if res, _ := get(t, browser(t), page); res.StatusCode != http.StatusOK {
		t.Errorf("the page to sign on at answers %s", res.Status)
	}
	if r, state := membership(t, gh, access, "guarded"); r.StatusCode != http.StatusOK || state != "active" {
		t.Errorf("after it: %d %s", r.StatusCode, state)
	}
	// Who is no member learns nothing of the organization.
	if r, _ := membership(t, gh, gh.IssueToken(clientID, "hubot", "read:org").AccessToken, "guarded"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a stranger gets %d", r.StatusCode)
	}
}

func TestOrganizationThatRestrictsAppsShowsThemNothing(t *testing.T) {
	t.Parallel()
	gh := everybody(t, oauthApp())
	access := gh.IssueToken(clientID, "octocat", "read:org").AccessToken
	if r, _ := membership(t, gh, access, "closed"); r.StatusCode != http.StatusForbidden {
		t.Errorf("an app that was not approved gets %d", r.StatusCode)
	}
	gh.SetOrg(githubtest.Org{Login: "Closed", RestrictApps: true, Approved: []string{clientID}})
	if r, _ := membership(t, gh, access, "closed"); r.StatusCode != http.StatusOK {
		t.Errorf("one that was approved gets %d", r.StatusCode)
	}
}

func TestGitHubAppNeedsThePermissionToReadMembers(t *testing.T) {
	t.Parallel()
	for reads, want := range map[bool]int{false: http.StatusForbidden, true: http.StatusOK} {
		gh := everybody(t, oauthApp(gitHubApp, func(a *githubtest.App) { a.ReadsMembers = reads }))
		if r, _ := membership(t, gh, gh.IssueToken(clientID, "octocat").AccessToken, "octo-org"); r.StatusCode != want {
			t.Errorf("with the permission %t: %d, want %d", reads, r.StatusCode, want)
		}
	}
}
