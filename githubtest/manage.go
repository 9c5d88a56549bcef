package githubtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// maxCredentials is how many credentials one call may revoke (GitHub docs, Revoke a list of
// credentials).
const maxCredentials = 1000

// bodyToken finds the app's token that the body names. Tokens that are dead, unknown or another
// app's are all the same. s.mu is held.
func (s *Server) bodyToken(c *call) (t *token, named bool) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(c.body, &body); err != nil || body.AccessToken == "" {
		return nil, false
	}
	t = s.state.byAccess[body.AccessToken]
	if t == nil || t.clientID != c.app.ClientID || !t.alive() {
		return nil, true
	}
	s.noteUser(entryOf(c.r), t.userID)
	return t, true
}

const tokenMissing = "access_token is missing from the JSON body"

// checkToken is POST /applications/{client_id}/token. Bad tokens don't count toward the lockout
// here.
func (s *Server) checkToken(c *call) answer {
	t, named := s.bodyToken(c)
	switch {
	case !named:
		return validationFailed(tokenMissing)
	case t == nil:
		return notFound()
	}
	return ok(s.authorizationJSON(c.app, t))
}

// resetToken is PATCH /applications/{client_id}/token: a new token in place of the old one, which
// dies at once. The answer has no field for a refresh token, so the new one has none, and the old
// one's dies with it.
func (s *Server) resetToken(c *call) answer {
	t, named := s.bodyToken(c)
	if !named || t == nil {
		return validationFailed(tokenMissing + ", or the token is not live")
	}
	t.kill()
	fresh := s.issue(c.app, t.userID, t.scopes, !t.expires.IsZero())
	fresh.refreshDead = true
	return ok(s.authorizationJSON(c.app, fresh))
}

// deleteToken is DELETE /applications/{client_id}/token: one token dies, with its refresh token.
// GitHub's description knows no 404 for it, so a dead token is a validation error.
func (s *Server) deleteToken(c *call) answer {
	t, named := s.bodyToken(c)
	if !named || t == nil {
		return validationFailed(tokenMissing + ", or the token is not live")
	}
	t.kill()
	return answer{status: http.StatusNoContent}
}

// deleteGrant is DELETE /applications/{client_id}/grant: everything of that user at the app dies.
// It takes a live access token; what an expired one does is not documented, and the fake refuses
// it.
func (s *Server) deleteGrant(c *call) answer {
	t, named := s.bodyToken(c)
	if !named || t == nil {
		return validationFailed(tokenMissing + ", or the token is not live")
	}
	s.dropGrant(t.clientID, t.userID)
	return answer{status: http.StatusNoContent}
}

// revokeCredentials is POST /credentials/revoke, for leaked tokens. Each listed credential dies
// alone: the refresh token of a listed access token lives on, and the other way round. Unknown ones
// are ignored. GitHub has it on github.com only; the fake answers below /api/v3 too.
func (s *Server) revokeCredentials(c *call) answer {
	var body struct {
		Credentials []string `json:"credentials"`
	}
	err := json.Unmarshal(c.body, &body)
	if err != nil || len(body.Credentials) == 0 || len(body.Credentials) > maxCredentials {
		return validationFailed("credentials must be a list of 1 to 1000 tokens")
	}
	for _, credential := range body.Credentials {
		if t := s.state.byAccess[credential]; t != nil {
			t.revoked = true
		}
		if t := s.state.byRefresh[credential]; t != nil {
			t.refreshDead = true
		}
	}
	return answer{status: http.StatusAccepted, body: map[string]any{}}
}

// authorizationJSON describes a token; s.mu is held.
func (s *Server) authorizationJSON(a *app, t *token) map[string]any {
	sum := sha256.Sum256([]byte(t.access))
	scopes := t.scopes
	if scopes == nil {
		scopes = []string{}
	}
	var expires any
	if !t.expires.IsZero() {
		expires = timestamp(t.expires)
	}
	return map[string]any{
		"id": t.id, "url": s.base + "/api/v3/authorizations/" + itoa(t.id),
		"app":   map[string]any{"client_id": a.ClientID, "name": a.Name, "url": s.base + "/apps/" + a.Slug},
		"token": t.access, "hashed_token": hex.EncodeToString(sum[:]), "token_last_eight": t.access[len(t.access)-8:],
		"note": nil, "note_url": nil, "fingerprint": nil, "installation": nil,
		"created_at": timestamp(t.created), "updated_at": timestamp(t.created), "expires_at": expires,
		"scopes": scopes, "user": s.simpleUser(s.users[t.userID]),
	}
}
