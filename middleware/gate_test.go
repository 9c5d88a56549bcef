package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// member is octocat with a place in acme, and in others.
func member(orgs []githubtest.OrgMembership, teams ...githubtest.TeamMembership) githubtest.User {
	return githubtest.User{ID: 583231, Login: "octocat", Name: "The Octocat", Orgs: orgs, Teams: teams}
}

func inOrg(names ...string) (orgs []githubtest.OrgMembership) {
	for _, name := range names {
		orgs = append(orgs, githubtest.OrgMembership{Org: name})
	}
	return orgs
}

// gated is a site for members; octocat belongs to acme at first.
func gated(t *testing.T, gate middleware.Gate, opts ...siteOption) *site {
	t.Helper()
	opts = append([]siteOption{
		withConfig(func(c *middleware.Config) { c.Scopes = []string{"read:org"} }),
		withOptions(middleware.WithGate(gate)),
	}, opts...)
	s := newSite(t, opts...)
	s.gh.AddUser(member(inOrg("acme")))
	return s
}

// wantNobodyIn checks that a refused sign-in left nothing behind: no session, no token.
func (b *browser) wantNobodyIn() {
	b.t.Helper()
	b.wantSignedOut()
	if n := len(b.sessionCookies()); n != 0 {
		b.t.Errorf("%d session cookies", n)
	}
	synctest.Wait() // For the revocation.
	if n := b.site.gh.LiveTokens(b.site.app.ClientID, 583231); n != 0 {
		b.t.Errorf("%d tokens live on", n)
	}
}

func TestEveryGateMustLetThemIn(t *testing.T) {
	t.Parallel()
	for in, second := range map[bool]middleware.Gate{true: middleware.AllowUsers(583231), false: middleware.AllowUsers(1)} {
		s := gated(t, middleware.AllowOrgs("acme"), withOptions(middleware.WithGate(second)))
		if p := s.browser(t).get("/auth/github/login"); (p.StatusCode == http.StatusOK) != in {
			t.Errorf("with the second gate saying %t: %d", in, p.StatusCode)
		}
	}
}

// Each page says what to do, and leads there.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts  []siteOption
		setUp func(*site)
		kind  string
		says  []string
		log   string
	}{
		"stranger": {
			setUp: func(s *site) { s.gh.AddUser(member(nil)) },
			kind:  "not-allowed",
			says:  []string{"This site is not open to your account", `prompt=select_account`, "Use another account"},
		},
		"invited": {
			setUp: func(s *site) { s.gh.AddUser(member([]githubtest.OrgMembership{{Org: "acme", State: "pending"}})) },
			kind:  "not-allowed",
			says:  []string{"invited to the organization acme", `href="https://github.com/orgs/acme/invitation"`, "Continue to github.com"},
		},
		"a state that nobody knows": {
			setUp: func(s *site) {
				s.gh.Inject(githubtest.Fault{
					Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Status: http.StatusOK,
					Body: `{"state":"suspended","organization":{"login":"acme"},"user":{"id":583231,"login":"octocat"}}`,
				})
			},
			kind: "not-allowed",
			says: []string{"This site is not open to your account"},
		},
		"with the last call of the hour": {
			setUp: func(s *site) {
				s.gh.Inject(githubtest.Fault{
					Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Status: http.StatusNotFound,
					Header: http.Header{"X-Ratelimit-Remaining": {"0"}}, Body: `{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}`,
				})
			},
			kind: "not-allowed",
			says: []string{"This site is not open to your account"},
		},
		"single sign-on": {
			setUp: func(s *site) { s.gh.SetOrg(githubtest.Org{Login: "acme", SAML: true}) },
			kind:  "sso-required",
			says:  []string{"Sign on at your organization first", `href="https://github.com/orgs/acme/sso"`, "Sign in again"}, // The fake's own link is not GitHub's.
		},
		"single sign-on, enterprise": {
			setUp: func(s *site) {
				s.refuse("required; url=https://github.com/enterprises/big/sso?authorization_request=AB")
			},
			kind: "sso-required",
			says: []string{`href="https://github.com/enterprises/big/sso"`}, // The token that the query names is revoked.
		},
		"single sign-on that leads elsewhere": {
			setUp: func(s *site) { s.refuse("required; url=https://github.com.evil.example/sso") },
			kind:  "sso-required",
			says:  []string{`href="https://github.com/orgs/acme/sso"`},
		},
		"scope": {
			opts: []siteOption{withConfig(func(c *middleware.Config) { c.Scopes = []string{"user:email"} })},
			kind: "membership-hidden",
			says: []string{"Your membership can&#39;t be seen", `scope=read%3Aorg`, "Continue to GitHub"},
			log:  "the gates need scopes that no sign-in asks for",
		},
		"OAuth App restrictions": {
			setUp: func(s *site) { s.gh.SetOrg(githubtest.Org{Login: "acme", RestrictApps: true}) },
			kind:  "app-not-approved",
			says:  []string{"Your organization has not let this site in", "Ask an owner"},
			log:   "app-not-approved: an owner of the organization has to approve the OAuth App",
		},
		"GitHub App without the permission": {
			opts: []siteOption{withApp(githubtest.App{Kind: githubtest.GitHubApp}), withConfig(func(c *middleware.Config) { c.Scopes = nil })},
			kind: "app-not-approved",
			says: []string{"with the permission to read members"},
			log:  "or to install the GitHub App with the organization permission Members, read-only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := gated(t, middleware.AllowOrgs("acme"), tt.opts...)
				if tt.setUp != nil {
					tt.setUp(s)
				}
				b := s.browser(t)
				p := b.get("/auth/github/login?return_to=/me")
				for _, says := range tt.says {
					wantProblem(t, p, http.StatusForbidden, says)
				}
				b.wantNobodyIn()
				b.accept = "application/json"
				if v := problemJSON(t, b.get("/auth/github/login")); v["kind"] != tt.kind {
					t.Errorf("kind = %v, want %s", v["kind"], tt.kind)
				}
				if !strings.Contains(s.log.String(), tt.log) {
					t.Errorf("the log does not say %q", tt.log)
				}
			})
		})
	}
}

// refuse has GitHub answer for single sign-on.
func (s *site) refuse(sso string) (mend func()) {
	return s.gh.Inject(githubtest.Fault{
		Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Status: http.StatusForbidden,
		Header: http.Header{"X-Github-Sso": {sso}, "X-Oauth-Scopes": {"read:org"}}, Body: `{"message":"Resource protected by organization SAML enforcement.","documentation_url":"https://docs.github.com/rest"}`,
	})
}

type members struct{}

func (members) paying(context.Context, middleware.Identity) error { return &middleware.Refusal{} }

// Of several funcs the log has to say which one refused somebody.
func TestLogNamesTheFuncThatRefused(t *testing.T) {
	t.Parallel()
	s := gated(t, middleware.GateFunc(members{}.paying))
	s.browser(t).get("/auth/github/login")
	if want := "middleware_test.members.paying"; !strings.Contains(s.log.String(), want) || strings.Contains(s.log.String(), "-fm") {
		t.Errorf("the log does not say %q:\n%s", want, s.log)
	}
}

func TestAnyOfDoesNotKnowWhileOneCantBeAsked(t *testing.T) {
	t.Parallel()
	away := middleware.GateFunc(func(context.Context, middleware.Identity) error { return errors.New("away") })
	says := func(r *middleware.Refusal) middleware.Gate {
		return middleware.GateFunc(func(context.Context, middleware.Identity) error { return r })
	}
	no, sso := says(&middleware.Refusal{}), says(&middleware.Refusal{Kind: middleware.KindSSO})
	var refusal *middleware.Refusal
	if err := middleware.AnyOf(no, away).Ask(t.Context(), middleware.Identity{}); err == nil || errors.As(err, &refusal) {
		t.Errorf("no or away = %v, want what is no answer", err)
	}
	if err := middleware.AnyOf().Ask(t.Context(), middleware.Identity{}); !errors.As(err, &refusal) {
		t.Errorf("none of no gates = %v", err)
	}
	if err := middleware.AnyOf(no, sso, no).Ask(t.Context(), middleware.Identity{}); !errors.As(err, &refusal) || refusal.Kind != middleware.KindSSO {
		t.Errorf("the refusal that can be mended is hidden: %v", err)
	}
}

func TestGatesThatCantBeMeantAreErrors(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]middleware.Option{
		"WithGate has no gates":            middleware.WithGate(),
		"a gate is nil":                    middleware.WithGate(nil),
		"AllowOrgs has no names":           middleware.WithGate(middleware.AllowOrgs()),
		"AllowTeams has no names":          middleware.WithGate(middleware.AllowTeams()),
		"AllowUsers has no ids":            middleware.WithGate(middleware.AllowUsers()),
		"AllowUsers(0)":                    middleware.WithGate(middleware.AllowUsers(0)),
		"AnyOf has no gates":               middleware.WithGate(middleware.AnyOf()),
		"AnyOf: AllowOrgs has no":          middleware.WithGate(middleware.AnyOf(middleware.AllowUsers(1), middleware.AllowOrgs())),
		`AllowOrgs("")`:                    middleware.WithGate(middleware.AllowOrgs("acme", "")),
		`AllowOrgs("acme/../user")`:        middleware.WithGate(middleware.AllowOrgs("acme/../user")),
		`AllowOrgs("..")`:                  middleware.WithGate(middleware.AllowOrgs("..")),
		`AllowOrgs("acme?x")`:              middleware.WithGate(middleware.AllowOrgs("acme?x")),
		`AllowOrgs("acme/admins")`:         middleware.WithGate(middleware.AllowOrgs("acme/admins")),
		`AllowTeams("no-team/")`:           middleware.WithGate(middleware.AllowTeams("no-team")),
		`AllowTeams("acme/")`:              middleware.WithGate(middleware.AllowTeams("acme/")),
		`AllowTeams("/admins")`:            middleware.WithGate(middleware.AllowTeams("/admins")),
		`AllowTeams("acme/..")`:            middleware.WithGate(middleware.AllowTeams("acme/..")),
		`AllowTeams("acme/a/memberships")`: middleware.WithGate(middleware.AllowTeams("acme/a/memberships")),
		"WithGateInterval(0s)":             middleware.WithGateInterval(0),
		"WithGateGrace(-1ns)":              middleware.WithGateGrace(-1),
		"WithGateGrace(25h0m0s)":           middleware.WithGateGrace(25 * 3600e9),
	} {
		if _, err := middleware.New(goodConfig(), memory.New(), opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want an error with %s", err, want)
		}
	}
	var none middleware.GateFunc
	if _, err := middleware.New(goodConfig(), memory.New(), middleware.WithGate(none)); err == nil {
		t.Error("New took a nil GateFunc")
	}
}

func hasPaid(context.Context, middleware.Identity) error   { return nil }
func notBanned(context.Context, middleware.Identity) error { return &middleware.Refusal{} }

// Of two funcs the log said GateFunc, whichever it was.
func TestLogTellsGateFuncsApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, withOptions(middleware.WithGate(middleware.GateFunc(hasPaid), middleware.GateFunc(notBanned))))
	wantProblem(t, s.browser(t).get("/auth/github/login"), http.StatusForbidden, "This site is not open to your account")
	if log := s.log.String(); !strings.Contains(log, `middleware_test.notBanned"`) || strings.Contains(log, "hasPaid") {
		t.Errorf("the log does not say that notBanned refused the user: %s", log)
	}
	if name := middleware.GateFunc(nil).String(); name != "GateFunc " {
		t.Errorf("a nil func is %q", name)
	}
}

func TestRefusalsLeadToTheGitHubOfTheSite(t *testing.T) {
	t.Parallel()
	host, err := oauth.HostFromURL("https://git.acme.example")
	if err != nil {
		t.Fatal(err)
	}
	answer := transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.String() != "https://git.acme.example/api/v3/user/memberships/orgs/acme" {
			t.Errorf("asked %s", r.URL)
		}
		return &http.Response{
			StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader(`{"message":"Resource protected by organization SAML enforcement.","documentation_url":"https://docs.github.com/rest"}`)),
			Header: http.Header{"X-Github-Sso": {"required; url=https://github.com/orgs/acme/sso"}},
		}, nil
	})
	err = middleware.AllowOrgs("acme").Ask(t.Context(), middleware.Identity{Host: host, HTTPClient: &http.Client{Transport: answer}})
	var refusal *middleware.Refusal
	if !errors.As(err, &refusal) || refusal.URL != "https://git.acme.example/orgs/acme/sso" {
		t.Errorf("Ask = %+v", err)
	}
}
