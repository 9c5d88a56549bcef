package grant

import (
	"context"

	"github.com/ghlogin/ghlogin/oauth"
)

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

// Lookup returns the user of a session that is signed in. It costs at most one read of the store: see
// [WithStaleness]. Once in a while it has noted, behind the caller's back, that the login is in use: see [WithLastSeen].
//
// needsLogin is not "" when the user is signed in but the app can't act for them until they sign in
// again. A session that is not, or no longer, signed in is [ErrSignedOut]; a store that can't be
// asked is a [*StoreError], which says nothing about the session.
func (m *Manager) Lookup(ctx context.Context, s Session) (user oauth.User, needsLogin Reason, err error) {
	r, err := m.signedIn(ctx, s)
	if err != nil {
		return oauth.User{}, "", err
	}
	return r.User, r.NeedsLogin, nil
}

// Standing is [Manager.Lookup] for who also wants to know when the token was replaced. Costs and errors are the same.
func (m *Manager) Standing(ctx context.Context, s Session) (Standing, error) {
	r, err := m.signedIn(ctx, s)
	if err != nil {
		return Standing{}, err
	}
	return Standing{User: r.User, NeedsLogin: r.NeedsLogin, Token: TokenID{r.Lineage, r.Generation}}, nil
}

// signedIn returns the grant in which a session's login stands.
func (m *Manager) signedIn(ctx context.Context, s Session) (*record, error) {
	r, ok := m.cache.current(s.UserID)
	if !ok || !m.isSignedIn(r, s) || r.NeedsLogin != "" { // What is remembered may be older than a sign-in on another replica.
		var err error
		if r, err = m.lookupNow(ctx, s.UserID); err != nil {
			return nil, err
		}
	}
	if !m.isSignedIn(r, s) {
		return nil, ErrSignedOut
	}
	m.noteSeen(ctx, s, r)
	return r, nil
}

func (m *Manager) isSignedIn(r *record, s Session) bool {
	return r.ClientID == m.app.ClientID() && r.signedIn(s.LoginID, m.clock())
}
