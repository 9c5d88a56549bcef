package grant

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// signInTimeout bounds what follows the exchange of a code: one call to GitHub and a few of the
// store.
const signInTimeout = 30 * time.Second

const (
	// revokeTimeout bounds a revocation at GitHub, which nobody waits for.
	revokeTimeout = 15 * time.Second

	// revokeGrace is how long a token lives on that a new sign-in replaced: requests of the user's
	// other tabs are under way with it.
	revokeGrace = 10 * time.Second
)

// Session names one browser's sign-in. It holds no token; it is what a session store keeps.
type Session struct {
	UserID  int64  // UserID is GitHub's number for the account, which outlives a change of its login.
	LoginID string // LoginID is random, one per sign-in.
}

// SignIn ends a sign-in: it exchanges the code of a callback, asks GitHub whose token it got, stores
// the token in that user's grant, and adds a login to it that lasts for lifetime.
//
// It costs GitHub two calls and the store one read and one write. A token that the new one replaces
// is revoked at GitHub some seconds later, since GitHub keeps at most ten per user, app and
// scopes (GitHub docs, "Authorizing OAuth apps"). Errors are package oauth's and [*StoreError];
// after one nothing is signed in.
func (m *Manager) SignIn(ctx context.Context, code string, verifier oauth.Secret, lifetime time.Duration) (Session, oauth.User, error) {
	tok, err := m.app.Exchange(ctx, code, verifier)
	if err != nil {
		return Session{}, oauth.User{}, err
	}
	// From here on there is a live token: a visitor who hangs up must not leave it behind unknown.
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return Session{}, oauth.User{}, ErrClosed
	}
	defer done()

	// Whose token it is must be asked after every sign-in: the visitor may have changed accounts
	// (GitHub docs, "Authorizing OAuth apps").
	user, err := m.app.User(ctx, tok.AccessToken)
	if err != nil {
		m.revoke(ctx, tok.AccessToken, 0, "nobody could be signed in with it")
		return Session{}, oauth.User{}, err
	}

	now := time.Now()
	session := Session{UserID: user.ID, LoginID: rand.Text()}
	before, _, err := m.update(ctx, m.key(user.ID), func(r *record) error {
		if r.ClientID != m.app.ClientID() {
			*r = record{} // Another app's logins are not ours.
		}
		*r = record{
			ClientID: m.app.ClientID(),
			User:     user,
			Token:    storedToken(tok, now),
			Logins:   r.Logins,
			Lineage:  rand.Text(),
		}
		r.addLogin(session.LoginID, login{Created: now.UTC(), Expires: now.Add(lifetime).UTC()})
		return nil
	})
	if err != nil {
		m.revoke(ctx, tok.AccessToken, 0, "it could not be stored")
		return Session{}, oauth.User{}, err
	}
	if old := before.Token.AccessToken.Secret; before.ClientID == m.app.ClientID() && !old.Equal(tok.AccessToken) {
		m.revoke(ctx, old, revokeGrace, "a new sign-in replaced it")
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "signed in", slog.Int64("user_id", user.ID))
	return session, user, nil
}

// SignOut takes a login out of the user's grant, after which no session with that login id is signed
// in, on any replica. With the user's last login the token is forgotten and revoked at GitHub,
// unless the manager keeps tokens.
//
// A login that is not there is no error. An error means that the store could not be written, and
// that the login may still stand.
func (m *Manager) SignOut(ctx context.Context, s Session) error {
	return m.signOut(ctx, s.UserID, func(r *record) bool {
		_, ok := r.Logins[s.LoginID]
		delete(r.Logins, s.LoginID)
		return ok
	})
}

// SignOutEverywhere ends all of a user's logins, and forgets and revokes the token unless the
// manager keeps tokens. Errors are those of [Manager.SignOut].
func (m *Manager) SignOutEverywhere(ctx context.Context, userID int64) error {
	return m.signOut(ctx, userID, func(r *record) bool {
		clear(r.Logins)
		return true
	})
}

func (m *Manager) signOut(ctx context.Context, userID int64, remove func(*record) bool) error {
	now := time.Now()
	before, after, err := m.update(ctx, m.key(userID), func(r *record) error {
		if r.Lineage == "" || !remove(r) {
			return errUnchanged
		}
		r.dropEndedLogins(now)
		if len(r.Logins) == 0 && !m.keepTokens {
			r.forget(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if before.Lineage != "" && after.Lineage == "" {
		m.revoke(ctx, before.Token.AccessToken.Secret, 0, "the user signed out")
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "signed out", slog.Int64("user_id", userID), slog.Int("logins_left", len(after.Logins)))
	return nil
}

// Lookup returns the user of a session that is signed in. It costs one read of the store.
//
// needsLogin is not "" when the user is signed in but the app can't act for them until they sign in
// again. A session that is not, or no longer, signed in is [ErrSignedOut]; a store that can't be
// asked is a [*StoreError], which says nothing about the session.
func (m *Manager) Lookup(ctx context.Context, s Session) (user oauth.User, needsLogin Reason, err error) {
	r, err := m.read(ctx, m.key(s.UserID))
	if err != nil {
		return oauth.User{}, "", err
	}
	if r.ClientID != m.app.ClientID() || !r.signedIn(s.LoginID, time.Now()) {
		return oauth.User{}, "", ErrSignedOut
	}
	return r.User, r.NeedsLogin, nil
}

// revoke ends a token at GitHub behind the caller's back, after a grace that Close cuts short. It is a courtesy to the user: whoever
// signs out is signed out, whether or not GitHub can be reached.
func (m *Manager) revoke(ctx context.Context, access oauth.Secret, grace time.Duration, why string) {
	if access.IsZero() {
		return
	}
	ctx, done, ok := m.work.detach(ctx, grace+revokeTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		m.work.linger(grace)
		if err := m.app.RevokeToken(ctx, access); err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "a token could not be revoked at GitHub",
				slog.String("why_revoked", why), slog.Any("error", err))
		}
	}()
}
