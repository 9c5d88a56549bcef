package githubtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Org is what an organization demands of the apps and the people that read from it. One that was
// never set demands nothing, and every organization that a [User] belongs to exists. Who belongs to it
// stands in [User.Orgs].
type Org struct {
	// Login is the organization's name, compared without regard to case.
	Login string
	// SAML enforces single sign-on: whoever has not signed on, see [Server.SignOn], gets 403 with
	// X-GitHub-SSO in place of what is the organization's (GitHub docs, Authenticating to the REST
	// API).
	SAML bool
	// RestrictApps lets in the data of the organization only OAuth Apps that are among Approved
	// (GitHub docs, About OAuth app access restrictions). New organizations come so at GitHub.
	RestrictApps bool
	// Approved are client ids of OAuth Apps.
	Approved []string
}

// org is an Org with who has signed on.
type org struct {
	Org
	signedOn map[int64]bool // by user id
}

// WithOrg sets an organization up; see [Server.SetOrg].
func WithOrg(o Org) Option { return func(s *Server) { s.SetOrg(o) } }

// SetOrg says what an organization demands, in place of what was said before. Whoever had signed on
// has to do it again. It panics on an empty login.
func (s *Server) SetOrg(o Org) {
	if o.Login == "" {
		panic("githubtest: an organization without login")
	}
	o.Approved = slices.Clone(o.Approved)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orgs[strings.ToLower(o.Login)] = &org{Org: o, signedOn: map[int64]bool{}}
}

// SignOn gives a user a current single sign-on at an organization, as its page at
// /orgs/ORG/sso does. It panics on an unknown user and on an organization that was not set up.
func (s *Server) SignOn(login, organization string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orgs[strings.ToLower(organization)]
	if o == nil {
		panic("githubtest: organization " + organization + " was not set up")
	}
	o.signedOn[s.mustUser(login).ID] = true
}

// serveSSO is GET /orgs/ORG/sso: the page that X-GitHub-SSO leads to. The organization's identity
// provider lets everybody pass who is signed in here; s.mu is not held.
func (s *Server) serveSSO(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o, u := s.orgs[strings.ToLower(r.PathValue("org"))], s.browserUser(r)
	if u == nil {
		u = s.users[s.autoUser]
	}
	if o == nil || !o.SAML || u == nil || u.orgMembership(o.Login) == nil {
		s.mu.Unlock()
		s.showNotFound(w, r)
		return
	}
	o.signedOn[u.ID] = true
	s.mu.Unlock()
	s.showMessage(w, r, http.StatusOK, "You have signed on", "You can close this page and go back to the app.")
}

// guarded is a call that reads an organization's data: it looks first whether the app and the token
// may; s.mu is held.
func (s *Server) guarded(handle func(*call) answer) func(*call) answer {
	return func(c *call) answer {
		o := s.orgs[strings.ToLower(c.r.PathValue("org"))]
		switch {
		case c.token.kind == GitHubApp && !c.app.ReadsMembers:
			return apiError(http.StatusForbidden, "Resource not accessible by integration")
		case o == nil:
		case o.RestrictApps && c.token.kind == OAuthApp && !slices.Contains(o.Approved, c.app.ClientID):
			return apiError(http.StatusForbidden, "Although you appear to have the correct authorization credentials, the `"+o.Login+
				"` organization has enabled OAuth App access restrictions, meaning that data access to third-parties is limited.")
		case o.SAML && c.user.orgMembership(o.Login) != nil && !o.signedOn[c.user.ID]:
			a := apiError(http.StatusForbidden, "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization.")
			sso := s.base + "/orgs/" + url.PathEscape(o.Login) + "/sso?authorization_request=" + rand.Text()
			a.header = http.Header{"X-Github-Sso": {"required; url=" + sso}}
			return a
		}
		return handle(c)
	}
}
