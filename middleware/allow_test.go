package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
)

func TestMembersComeInAndOthersLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate middleware.Gate
		user githubtest.User
		in   bool
	}{
		"member":                        {middleware.AllowOrgs("acme"), member(inOrg("other", "acme")), true},
		"member of one of two":          {middleware.AllowOrgs("elsewhere", "acme"), member(inOrg("acme")), true},
		"the name in another case":      {middleware.AllowOrgs("ACME"), member(inOrg("Acme")), true},
		"stranger":                      {middleware.AllowOrgs("acme"), member(nil), false},
		"a name that begins so":         {middleware.AllowOrgs("acme"), member(inOrg("acme-evil")), false},
		"a name that ends so":           {middleware.AllowOrgs("acme"), member(inOrg("evil-acme")), false},
		"team":                          {middleware.AllowTeams("acme/admins"), member(inOrg("acme"), githubtest.TeamMembership{Org: "acme", Team: "admins"}), true},
		"team in another case":          {middleware.AllowTeams("Acme/Admins"), member(inOrg("acme"), githubtest.TeamMembership{Org: "acme", Team: "admins"}), true},
		"member, but not of the team":   {middleware.AllowTeams("acme/admins"), member(inOrg("acme"), githubtest.TeamMembership{Org: "acme", Team: "guests"}), false},
		"another organization's team":   {middleware.AllowTeams("acme/admins"), member(inOrg("acme", "evil"), githubtest.TeamMembership{Org: "evil", Team: "admins"}), false},
		"invited to the team":           {middleware.AllowTeams("acme/admins"), member(inOrg("acme"), githubtest.TeamMembership{Org: "acme", Team: "admins", State: "pending"}), false},
		"in the team, not the org":      {middleware.AllowTeams("acme/admins"), member(nil, githubtest.TeamMembership{Org: "acme", Team: "admins"}), false},
		"user":                          {middleware.AllowUsers(1, 583231), member(nil), true},
		"another user":                  {middleware.AllowUsers(1), member(nil), false},
		"neither":                       {middleware.AnyOf(middleware.AllowOrgs("acme"), middleware.AllowUsers(1)), member(nil), false},
		"the one":                       {middleware.AnyOf(middleware.AllowOrgs("acme"), middleware.AllowUsers(1)), member(inOrg("acme")), true},
		"the other":                     {middleware.AnyOf(middleware.AllowOrgs("acme"), middleware.AllowUsers(583231)), member(nil), true},
		"a func that says yes":          {middleware.GateFunc(func(context.Context, middleware.Identity) error { return nil }), member(nil), true},
		"a func that says no, wrapped":  {middleware.GateFunc(func(context.Context, middleware.Identity) error { return wrapped{&middleware.Refusal{}} }), member(nil), false},
		"an invitation to the org only": {middleware.AllowOrgs("acme"), member([]githubtest.OrgMembership{{Org: "acme", State: "pending"}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := gated(t, tt.gate)
				s.gh.AddUser(tt.user)
				b := s.browser(t)
				p := b.get("/auth/github/login?return_to=/me")
				if tt.in {
					if p.StatusCode != http.StatusOK || p.body != "you are octocat at /me" {
						t.Errorf("the sign-in ends with %d %q", p.StatusCode, p.body)
					}
					return
				}
				if p.StatusCode != http.StatusForbidden {
					t.Errorf("the sign-in ends with %d %q, want 403", p.StatusCode, p.body)
				}
				b.wantNobodyIn()
				if !strings.Contains(s.log.String(), `"user_id":583231,"gate":"`) {
					t.Error("the log does not say who was refused, and by which gate")
				}
				if strings.Contains(s.log.String(), `"level":"WARN"`) {
					t.Errorf("whoever has an account at GitHub fills the log with warnings: %s", s.log)
				}
			})
		})
	}
}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

func TestGitHubAppWithThePermissionSeesMembers(t *testing.T) {
	t.Parallel()
	s := gated(t, middleware.AllowOrgs("acme"), withApp(githubtest.App{Kind: githubtest.GitHubApp, ReadsMembers: true}), withConfig(func(c *middleware.Config) { c.Scopes = nil }))
	s.browser(t).signIn()
}

func TestWhoComesWithoutTheScopeIsLedToItAndIn(t *testing.T) {
	t.Parallel()
	s := gated(t, middleware.AllowOrgs("acme"), withConfig(func(c *middleware.Config) { c.Scopes = nil }))
	b := s.browser(t)
	b.accept = "application/json"
	v := problemJSON(t, b.get("/auth/github/login?return_to=/me"))
	b.accept = "text/html"
	if p := b.get(v["login_url"].(string)); p.body != "you are octocat at /me" {
		t.Errorf("the page's way on ends with %d %q", p.StatusCode, p.body)
	}
}

func TestWhoSignedOnComesIn(t *testing.T) {
	t.Parallel()
	s := gated(t, middleware.AllowOrgs("acme"))
	s.gh.SetOrg(githubtest.Org{Login: "acme", SAML: true})
	b := s.browser(t)
	wantProblem(t, b.get("/auth/github/login"), http.StatusForbidden, "Sign on at your organization first")
	s.gh.SignOn("octocat", "acme")
	b.signIn()
}

// Whatever is wrong on the way to an answer, it is no yes for somebody new.
func TestNobodyNewComesInWhileTheGateCantBeAsked(t *testing.T) {
	t.Parallel()
	org, team := "/user/memberships/orgs/acme", "/orgs/acme/teams/admins/memberships/octocat"
	for name, fault := range map[string]githubtest.Fault{
		"outage":               {Match: githubtest.MatchPath(org), Status: http.StatusBadGateway, Body: "<html>"},
		"rate limit":           {Match: githubtest.MatchPath(org), Status: http.StatusForbidden, Body: `{"message":"API rate limit exceeded"}`, Header: http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Oauth-Scopes": {""}}},
		"secondary rate limit": {Match: githubtest.MatchPath(org), Status: http.StatusTooManyRequests, Body: `{"message":"slow down"}`},
		"lost answer":          {Match: githubtest.MatchPath(org), LoseAnswer: true},
		"lock-out":             {Match: githubtest.MatchPath(org), Status: http.StatusForbidden, Body: `{"message":"Maximum number of login attempts exceeded."}`},
		"a proxy's 404":        {Match: githubtest.MatchPath(org), Status: http.StatusNotFound, Body: "<html>no such host"},
		"a gateway's 404": {
			Match: githubtest.MatchPath(org), Status: http.StatusNotFound, Body: `{"message":"no Route matched with those values"}`,
			Header: http.Header{"Content-Type": {"application/json"}},
		},
		"a proxy's 200":        {Match: githubtest.MatchPath(org), Status: http.StatusOK, Body: "<html>log in to the Wi-Fi"},
		"401":                  {Match: githubtest.MatchPath(org), Status: http.StatusUnauthorized, Body: `{"message":"Bad credentials"}`},
		"moved":                {Match: githubtest.MatchPath(org), Times: 1, Status: http.StatusMovedPermanently, Header: http.Header{"Location": {"/user/memberships/orgs/acme"}}, Body: `{"message":"Moved"}`},
		"about somebody else":  {Match: githubtest.MatchPath(org), Status: http.StatusOK, Body: `{"state":"active","organization":{"login":"acme"},"user":{"id":1,"login":"octocat"}}`},
		"about nobody":         {Match: githubtest.MatchPath(org), Status: http.StatusOK, Body: `{"state":"active","organization":{"login":"acme"},"user":null}`},
		"about something else": {Match: githubtest.MatchPath(org), Status: http.StatusOK, Body: `{"state":"active","organization":{"login":"other"},"user":{"id":583231,"login":"octocat"}}`},
		"the team's outage":    {Match: githubtest.MatchPath(team), Status: http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := gated(t, middleware.AllowTeams("acme/admins"))
				s.gh.AddUser(member(inOrg("acme", "other"), githubtest.TeamMembership{Org: "acme", Team: "admins"}))
				mend := s.gh.Inject(fault)
				b := s.browser(t)
				p := b.get("/auth/github/login")
				wantProblem(t, p, http.StatusServiceUnavailable, "Please try again in a moment")
				if got := p.Header.Get("Retry-After"); got != "30" {
					t.Errorf("Retry-After: %q, want the 30 seconds for which gates are not asked again", got)
				}
				b.wantNobodyIn()
				mend()
				b.signIn()
			})
		})
	}
}

// A team is asked for by login. The one of the sign-in may be another person's by the time.
func TestRenamedUserIsNotTakenForWhoHasTheLoginNow(t *testing.T) {
	t.Parallel()
	admins := githubtest.TeamMembership{Org: "acme", Team: "admins"}
	gate := middleware.AllowTeams("acme/admins")
	s := newSite(t, withConfig(func(c *middleware.Config) { c.Scopes = []string{"read:org"} }))
	s.gh.AddUser(member(inOrg("acme")))
	access := s.gh.IssueToken(s.app.ClientID, "octocat", "read:org").AccessToken
	ask := func() error {
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+access)
			return s.gh.Transport().RoundTrip(r)
		})}
		return gate.Ask(t.Context(), middleware.Identity{User: middleware.User{ID: 583231, Login: "octocat"}, HTTPClient: client})
	}
	s.gh.RenameUser(583231, "renamed")
	s.gh.AddUser(githubtest.User{ID: 7, Login: "octocat", Orgs: inOrg("acme"), Teams: []githubtest.TeamMembership{admins}})
	var no *middleware.Refusal
	if err := ask(); !errors.As(err, &no) {
		t.Errorf("the old login, which belongs to an admin now, let them in: %v", err)
	}
	u := member(inOrg("acme"), admins)
	u.Login = "renamed"
	s.gh.AddUser(u)
	if err := ask(); err != nil {
		t.Errorf("an admin who renamed themselves: %v", err)
	}
}
