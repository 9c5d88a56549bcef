package grant

import (
	"context"
)

// SignOut takes a login out of the user's grant, and those of the same browser, after which no session
// with that login id is signed in, on any replica. With the user's last login the token is forgotten and revoked at GitHub,
// unless the manager keeps tokens.
//
// A login that is not there is no error. An error means that the store could not be written, and
// that the login may still stand.
func (m *Manager) SignOut(ctx context.Context, s Session) error {
	return m.signOut(ctx, s.UserID, m.keepTokens, func(r *record) bool { return r.dropLogin(s.LoginID) })
}

// Discard takes back a login that no browser holds, for example because its session could not be
// stored. Other logins of the browser stay. Errors are those of [Manager.SignOut].
func (m *Manager) Discard(ctx context.Context, s Session) error {
	return m.signOut(ctx, s.UserID, m.keepTokens, func(r *record) bool {
		_, ok := r.Logins[s.LoginID]
		delete(r.Logins, s.LoginID)
		return ok
	})
}

// SignOutEverywhere ends all of a user's logins, and forgets and revokes the token unless the
// manager keeps tokens. Errors are those of [Manager.SignOut].
func (m *Manager) SignOutEverywhere(ctx context.Context, userID int64) error {
	return m.signOut(ctx, userID, m.keepTokens, endAll)
}

// Forget ends all of a user's logins, and forgets and revokes the token even if the manager keeps
// tokens: for a user who leaves the app. Errors are those of [Manager.SignOut].
func (m *Manager) Forget(ctx context.Context, userID int64) error {
	return m.signOut(ctx, userID, false, endAll)
}

func endAll(r *record) bool {
	clear(r.Logins)
	return true
}

func (m *Manager) signOut(ctx context.Context, userID int64, keepToken bool, remove func(*record) bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	ctx, finish := m.outside.startSpan(ctx, "ghlogin.sign_out")
	defer func() { finish(err) }()
	now := m.clock()
	before, after, err := m.update(ctx, userID, func(r *record) error {
		if r.Lineage == "" || r.ClientID != m.app.ClientID() || !remove(r) {
			return errUnchanged
		}
		r.dropEndedLogins(now)
		if len(r.Logins) == 0 && !keepToken {
			r.forget(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if before == after {
		return nil // The login was not there.
	}
	m.tell(ctx, Event{Kind: EventSignedOut, UserID: userID})
	if before.Lineage != "" && after.Lineage == "" {
		m.tell(ctx, Event{Kind: EventForgotten, UserID: userID})
		m.giveUpPair(ctx, userID, after, "the user signed out")
		m.revoke(ctx, before.Token.oauth(), 0, "the user signed out")
	}
	return nil
}
