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
		// Also after a panic. GitHub may have issued a token again that the user's other browsers live on.
		if r, _, err := m.get(ctx, user.ID); err != nil || !r.Token.AccessToken.Equal(tok.AccessToken) {
			m.revoke(ctx, tok, 0, "the user was not let in")
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

// Standing is what a grant says of a session that is signed in.
type Standing struct {
	// User is who it is.
	User oauth.User
	// NeedsLogin is not "" when the app can't act for the user until they sign in again.
	NeedsLogin Reason
	// Token names the token that the grant holds, and shows nothing of it: it changes with each sign-in and each refresh, on
	// whichever replica.
	Token TokenID
}

// TokenID names a token without showing it. Two of them are equal if they name the same one. The zero TokenID names none.
type TokenID struct {
	// Lineage is random with each sign-in that brings a token.
	Lineage string
	// Generation counts that token's refreshes.
	Generation int64
}

// Standing is [Manager.Lookup] for who also wants to know when the token was replaced. Costs and errors are the same.
func (m *Manager) Standing(ctx context.Context, s Session) (Standing, error) {
	r, err := m.signedIn(ctx, s)
	if err != nil {
		return Standing{}, err
	}
	return Standing{User: r.User, NeedsLogin: r.NeedsLogin, Token: TokenID{r.Lineage, r.Generation}}, nil
}
