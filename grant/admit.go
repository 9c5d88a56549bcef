package grant

import (
	"context"
	"errors"
	"net/http"

	"github.com/ghlogin/ghlogin/oauth"
)

// WithAdmission has admit decide about every sign-in: it is called when GitHub has said whose token it issued, and before
// anything is stored, with a client that acts as the user by that token. If it returns an error, [Manager.SignIn] returns it,
// the token is revoked, and nobody is signed in; logins that the user had before stay as they were. admit must keep to its
// context, and is called by many goroutines at once. One admission can be set; nil is an error.
func WithAdmission(admit func(ctx context.Context, user oauth.User, client *http.Client) error) Option {
	return func(m *Manager) error {
		if admit == nil || m.admission != nil {
			return errors.New("grant: WithAdmission: the func is nil, or there is one already")
		}
		m.admission = admit
		return nil
	}
}

// admit asks the admission, if there is one, and revokes the token of who is not let in.
func (m *Manager) admit(ctx context.Context, user oauth.User, tok oauth.Token) error {
	if m.admission == nil {
		return nil
	}
	admitted := false
	defer func() {
		if admitted {
			return
		}
		// Also after a panic. GitHub may have issued a token again that the user's other browsers live on, and a store that is
		// away must not end them.
		inUse := func(r *record) bool { return r.Token.AccessToken.Equal(tok.AccessToken) }
		end := func(ctx context.Context, _ *record, inUse bool) {
			if !inUse {
				m.revoke(ctx, tok, 0, "the user was not let in")
			}
		}
		if r, _, err := m.get(ctx, user.ID); err == nil {
			end(ctx, r, inUse(r))
		} else {
			m.settleDoubt(ctx, user.ID, inUse, end)
		}
	}()
	err := m.admission(ctx, user, &http.Client{Transport: &issued{m, &record{Token: storedToken(tok, m.clock())}}})
	admitted = err == nil
	return err
}

// issued carries requests with a token that no grant has yet.
type issued struct {
	manager *Manager
	record  *record
}

// RoundTrip implements [http.RoundTripper].
func (t *issued) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.manager.app.Host().IsAPI(req.URL) {
		return t.manager.base.RoundTrip(req)
	}
	return t.manager.base.RoundTrip(withToken(req, t.record))
}
