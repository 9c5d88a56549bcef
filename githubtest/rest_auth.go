package githubtest

import (
	"net/http"
	"slices"
	"strings"
)

// who may call an endpoint.
type who int

const (
	needUser   who = iota // a user's token
	needApp               // client id and secret in a Basic header
	anybody               // credentials are not needed, but looked at
	needNobody            // credentials are refused
)

// lockedOut is what everybody of a user or an address gets after several bad credentials.
func lockedOut() answer {
	return apiError(http.StatusForbidden, "Maximum number of login attempts exceeded. Please try again later.")
}

// authenticate finds out who calls, and returns the answer if they may not; s.mu is held.
func (s *Server) authenticate(need who, c *call) *answer {
	entry := entryOf(c.r)
	header := c.r.Header.Get("Authorization")
	scheme, credentials, _ := strings.Cut(header, " ")
	entry.AuthScheme = strings.ToLower(scheme)
	var refused answer
	switch entry.AuthScheme {
	case "":
		refused = apiError(http.StatusUnauthorized, "Requires authentication")
		if need == anybody || need == needNobody {
			return nil
		}
		return &refused
	case "bearer", "token":
		refused = s.authenticateUser(c, strings.TrimSpace(credentials))
	case "basic":
		refused = s.authenticateApp(c)
	default:
		refused = badCredentials()
	}
	switch {
	case refused.status != 0:
	case need == needNobody:
		refused = apiError(http.StatusForbidden, "This endpoint can only be called without authentication")
	case need == needUser && c.user == nil:
		refused = apiError(http.StatusForbidden, "This endpoint needs a user's token")
	case need == needApp && c.app != nil && c.user != nil:
		refused = notFound()
	case need == needApp && c.app.ClientID != c.r.PathValue("client_id"):
		refused = notFound()
	}
	if refused.status != 0 {
		return &refused
	}
	return nil
}

// authenticateUser looks a token up. A token that is dead counts against its user, an unknown one
// against the address it came from; too many lock out good credentials too (GitHub docs,
// Authenticating to the REST API). s.mu is held.
func (s *Server) authenticateUser(c *call, access string) answer {
	strangers := s.addressBlocklist(c.r)
	t := s.state.byAccess[access]
	if t == nil {
		if strangers.blocked() {
			return lockedOut()
		}
		s.countBad(strangers)
		return badCredentials()
	}
	u := s.users[t.userID]
	entry := entryOf(c.r)
	entry.ClientID = t.clientID
	s.noteUser(entry, t.userID)
	if strangers.blocked() || u.blocked.blocked() {
		return lockedOut()
	}
	if !t.alive() {
		s.countBad(&u.blocked)
		return badCredentials()
	}
	c.user, c.token, c.app = u, t, s.apps[t.clientID]
	return answer{}
}

// authenticateApp checks a client id and secret in a Basic header; s.mu is held.
func (s *Server) authenticateApp(c *call) answer {
	strangers := s.addressBlocklist(c.r)
	if strangers.blocked() {
		return lockedOut()
	}
	id, secret, _ := c.r.BasicAuth()
	a := s.apps[id]
	if a == nil || !a.hasSecret(secret) {
		s.countBad(strangers)
		return badCredentials()
	}
	entryOf(c.r).ClientID = id
	c.app = a
	return answer{}
}

// setTokenHeaders tells about the token. Scopes are separated by a comma and a space here (GitHub
// docs, Scopes for OAuth apps); the expiry has the format that GitHub uses for personal access
// tokens.
func setTokenHeaders(h http.Header, t *token, accepted string) {
	if t.kind == OAuthApp {
		h.Set("X-OAuth-Scopes", strings.Join(t.scopes, ", "))
		h.Set("X-Accepted-OAuth-Scopes", accepted)
	}
	if !t.expires.IsZero() {
		h.Set("GitHub-Authentication-Token-Expiration", t.expires.UTC().Format("2006-01-02 15:04:05 MST"))
	}
}

func allowsOne(granted, need []string) bool {
	return slices.ContainsFunc(need, func(scope string) bool { return allows(granted, scope) })
}
