package grant

import (
	"context"
)

// SignOut takes a login out of the user's grant, and those of the same browser, after which no session
// with that login id is signed in, on any replica. With the user's last login the token is forgotten and revoked at GitHub,
// unless the manager keeps tokens.
//
// A login that is not there is no error. An error means that the store could not be written, and
// that the login may still stand; or it is [ErrClosed]. A caller who hangs up does not undo it.
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

// SignOutOthers ends all of the logins of s's user but s and what the same browser began with it. If s itself is not signed
// in any more, nothing ends and the error is [ErrSignedOut]: who was signed out must not sign others out. Other errors are those
// of [Manager.SignOut].
func (m *Manager) SignOutOthers(ctx context.Context, s Session) error {
	stands := false
	err := m.signOut(ctx, s.UserID, m.keepTokens, func(r *record) bool {
		stands = m.isSignedIn(r, s)
		return stands && r.dropOthers(s.LoginID)
	})
	if err == nil && !stands {
		return ErrSignedOut
	}
	return err
}

// SignOutLogin ends one of a user's logins, by the ID that [Manager.Logins] gave, as [Manager.SignOut] does. An id that is none
// of the user's logins is no error. It does not check who asks for it: that is the caller's to know.
func (m *Manager) SignOutLogin(ctx context.Context, userID int64, id string) error {
	return m.signOut(ctx, userID, m.keepTokens, func(r *record) bool { return r.dropPublic(id) })
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
	// Whoever hangs up is signed out all the same, and their token revoked.
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return ErrClosed
	}
	defer done()
	ctx, finish := m.outside.startSpan(ctx, "ghlogin.sign_out")
	defer func() { finish(err) }()
	now := m.clock()
	removed := false
	var forgotten []*record // By each write that was tried, whether or not its answer came.
	after, err := m.update(ctx, userID, func(r *record, _ bool) error {
		if r.Lineage != "" && r.ClientID != m.app.ClientID() {
			return errUnchanged
		}
		// It is written also where there is nothing to take out: that it can be proves that what was read is the newest,
		// and not what a store that lags behind still shows from before the sign-in.
		removed = remove(r) || removed
		r.dropEndedLogins(now)
		if len(r.Logins) == 0 && !keepToken || r.Lineage == "" {
			if r.Lineage != "" {
				forgotten = append(forgotten, r.clone())
			}
			r.forget(now)
		}
		return nil
	})
	if err != nil {
		for _, r := range forgotten {
			m.revokeIfForgotten(ctx, userID, r)
		}
		return err
	}
	if removed {
		m.tell(ctx, Event{Kind: EventSignedOut, UserID: userID})
	}
	if len(forgotten) > 0 {
		if after.Lineage == "" { // And not a sign-in that came before what was tried.
			m.tell(ctx, Event{Kind: EventForgotten, UserID: userID})
		}
		m.giveUpPair(ctx, userID, after)
	}
	for _, r := range forgotten {
		if !r.Token.AccessToken.Equal(after.Token.AccessToken.Secret) { // Else a sign-in that came before got the same one again.
			m.revokeSignedOut(ctx, userID, r.Lineage, r.Token.oauth())
		}
	}
	return nil
}
