package githubtest_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/ghlogin/ghlogin/githubtest"
)

const openAPIVariable = "GHLOGIN_GITHUB_OPENAPI"

// described checks answers against GitHub's own description of its REST API.
type described struct {
	router routers.Router
	calls  map[string]int // by operation and status
}

// loadDescription reads the description or skips the test.
func loadDescription(t *testing.T) *described {
	t.Helper()
	file := os.Getenv(openAPIVariable)
	if file == "" {
		t.Skipf("%s is not set: it names GitHub's OpenAPI description (JSON, from github/rest-api-description), "+
			"against which the fake's REST answers are checked", openAPIVariable)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // any host
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &described{router, map[string]int{}}
}

// call sends a request, checks the answer and returns it.
func (d *described) call(t *testing.T, method, address, auth, body string, header ...string) reply {
	t.Helper()
	req := request(t, method, address, body)
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, _ := send(t, browser(t), req)
	plain := req.Clone(t.Context())
	plain.URL.Path = strings.TrimPrefix(plain.URL.Path, "/api/v3")
	route, params, err := d.router.FindRoute(plain)
	if err != nil {
		t.Fatalf("%s %s: %v", method, plain.URL.Path, err)
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: plain, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(strings.NewReader(res.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s answers %d, which GitHub's description doesn't know:\n%v", method, plain.URL.Path, res.StatusCode, err)
	}
	d.calls[method+" "+route.Path]++
	return res
}

// everybody has members, teams and repositories in every state.
func everybody(t *testing.T, a ...githubtest.Option) *githubtest.Server {
	t.Helper()
	return githubtest.Start(t, append(
		a,
		githubtest.WithUser(githubtest.User{
			ID: 583231, Login: "octocat", Name: "The Octocat", EmailPublic: true,
			Orgs:  []githubtest.OrgMembership{{Org: "octo-org", Role: "admin"}, {Org: "invited", State: "pending"}, {Org: "guarded"}, {Org: "closed"}},
			Teams: []githubtest.TeamMembership{{Org: "octo-org", Team: "league", Role: "maintainer"}},
			Repos: []githubtest.Repo{{Name: "hello"}, {Name: "plans", Private: true, Description: "x"}, {Owner: "octo-org", Name: "ours"}},
		}),
		githubtest.WithUser(githubtest.User{ID: 2, Login: "hubot", Orgs: []githubtest.OrgMembership{{Org: "octo-org"}}}),
		githubtest.WithUser(githubtest.User{Login: "managed"}),
		githubtest.WithOrg(githubtest.Org{Login: "guarded", SAML: true}),
		githubtest.WithOrg(githubtest.Org{Login: "closed", RestrictApps: true}),
	)...)
}

func TestEveryRESTAnswerFitsGitHubsDescription(t *testing.T) {
	t.Parallel()
	d := loadDescription(t)
	// The lockout has its own test; here are many bad credentials on purpose.
	gh := everybody(t, oauthApp(), githubtest.WithBadCredentialsLimit(0, 0), githubtest.WithApp(githubtest.App{
		ClientID: "Iv23liGitHubAppTest1", Secrets: []string{secret}, Kind: githubtest.GitHubApp, Name: "Bot", Callbacks: []string{callback},
	}))
	all := "Bearer " + gh.IssueToken(clientID, "octocat", "user", "repo", "admin:org").AccessToken
	none := "token " + gh.IssueToken(clientID, "hubot").AccessToken
	app := "Bearer " + gh.IssueToken("Iv23liGitHubAppTest1", "octocat").AccessToken
	gh.SignInAs("octocat")
	get(t, browser(t), gh.URL()+"/apps/bot/installations/new")
	const dead = "Bearer gho_000000000000000000000000000000000000"

	for _, base := range []string{gh.URL(), gh.URL() + "/api/v3"} {
		for _, test := range []struct {
			path, auth string
			status     int
		}{
			{"/user", all, 200},
			{"/user", none, 200},
			{"/user", app, 200},
			{"/user", dead, 401},
			{"/user", "", 401},
			{"/user/emails", all, 200},
			{"/user/emails", app, 200},
			{"/user/emails", none, 404},
			{"/user/emails", dead, 401},
			{"/user/repos", all, 200},
			{"/user/repos", none, 200},
			{"/user/repos", app, 200},
			{"/user/repos?per_page=1&page=2", all, 200},
			{"/user/repos?type=all&visibility=all", all, 422},
			{"/user/repos", dead, 401},
			{"/user/orgs", all, 200},
			{"/user/orgs", app, 200},
			{"/user/orgs", none, 403},
			{"/user/orgs", dead, 401},
			{"/user/teams", all, 200},
			{"/user/teams", none, 403},
			{"/user/installations", app, 200},
			{"/user/installations", all, 403},
			{"/user/memberships/orgs", all, 200},
			{"/user/memberships/orgs?state=pending", all, 200},
			{"/user/memberships/orgs?state=x", all, 422},
			{"/user/memberships/orgs", none, 403},
			{"/user/memberships/orgs/octo-org", all, 200},
			{"/user/memberships/orgs/none", all, 404},
			{"/user/memberships/orgs/octo-org", none, 403},
			{"/user/memberships/orgs/octo-org", app, 403},
			{"/user/memberships/orgs/guarded", all, 403},
			{"/user/memberships/orgs/closed", all, 403},
			{"/orgs/octo-org/memberships/hubot", all, 200},
			{"/orgs/octo-org/memberships/nobody", all, 404},
			{"/orgs/other/memberships/hubot", all, 403},
			{"/orgs/octo-org/members/hubot", none, 204},
			{"/orgs/octo-org/members/nobody", all, 404},
			{"/orgs/other/members/hubot", all, 302},
			{"/orgs/octo-org/teams/league/memberships/octocat", all, 200},
			{"/orgs/octo-org/teams/league/memberships/hubot", all, 404},
			{"/orgs/octo-org/teams/league/memberships/octocat", none, 404},
			{"/users/octocat", "", 200},
			{"/users/hubot", all, 200},
			{"/users/nobody", "", 404},
			{"/rate_limit", all, 200},
			{"/rate_limit", "", 200},
			{"/meta", "", 200},
		} {
			res := d.call(t, http.MethodGet, base+test.path, test.auth, "")
			if res.StatusCode != test.status {
				t.Errorf("GET %s answers %d, want %d", test.path, res.StatusCode, test.status)
			}
		}
		res := d.call(t, http.MethodGet, base+"/user", all, "")
		if res := d.call(t, http.MethodGet, base+"/user", all, "", "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified || res.Body != "" {
			t.Errorf("GET /user with its ETag answers %d and %q, want 304 and nothing", res.StatusCode, res.Body)
		}
		manageDescribed(t, d, gh, base)
	}
	for _, operation := range []string{"GET /user", "POST /credentials/revoke", "PATCH /applications/{client_id}/token"} {
		if d.calls[operation] == 0 {
			t.Errorf("%s was never called", operation)
		}
	}
}

// manageDescribed calls what apps call with their client secret.
func manageDescribed(t *testing.T, d *described, gh *githubtest.Server, base string) {
	t.Helper()
	url := base + "/applications/" + clientID
	for _, test := range []struct {
		name, method, path string
		token              func() string
		status             int
	}{
		{"check", http.MethodPost, "/token", liveToken(gh), 200},
		{"check a dead one", http.MethodPost, "/token", deadToken(gh), 404},
		{"check without one", http.MethodPost, "/token", nil, 422},
		{"reset", http.MethodPatch, "/token", liveToken(gh), 200},
		{"reset a dead one", http.MethodPatch, "/token", deadToken(gh), 422},
		{"delete", http.MethodDelete, "/token", liveToken(gh), 204},
		{"delete a dead one", http.MethodDelete, "/token", deadToken(gh), 422},
		{"drop the grant", http.MethodDelete, "/grant", liveToken(gh), 204},
		{"drop it with a dead one", http.MethodDelete, "/grant", deadToken(gh), 422},
	} {
		body := "{}"
		if test.token != nil {
			body = `{"access_token":"` + test.token() + `"}`
		}
		if res := d.call(t, test.method, url+test.path, basic(clientID, secret), body); res.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", test.name, res.StatusCode, test.status)
		}
	}
	if res := d.call(t, http.MethodPost, base+"/credentials/revoke", "", `{"credentials":["gho_x"]}`); res.StatusCode != http.StatusAccepted {
		t.Errorf("revoke: %d", res.StatusCode)
	}
	if res := d.call(t, http.MethodPost, base+"/credentials/revoke", "", `{"credentials":[]}`); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("revoke nothing: %d", res.StatusCode)
	}
}

// liveToken makes a new token when called.
func liveToken(gh *githubtest.Server) func() string {
	return func() string { return gh.IssueToken(clientID, "managed", "gist").AccessToken }
}

// deadToken makes a new token and revokes it when called.
func deadToken(gh *githubtest.Server) func() string {
	return func() string {
		access := gh.IssueToken(clientID, "managed", "gist").AccessToken
		gh.RevokeToken(access)
		return access
	}
}
