package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// signInTimeout bounds what follows the exchange of a code: one call to GitHub and a few of the
// store.
const signInTimeout = 30 * time.Second

const (
	// settle is how long GitHub may take until a token that it just issued works everywhere: it has
	// been seen to answer 401 for a moment.
	settle = 500 * time.Millisecond

	// revokeTimeout bounds a revocation at GitHub with its repetitions. Nobody waits for it.
	revokeTimeout = time.Minute

	// outageTimeout is how long a store may be away before a sign-in of which nobody knows whether it
	// was stored is left as it is.
	outageTimeout = 6 * time.Hour

	// revokeGrace is how long a token lives on that a new sign-in replaced: requests of the user's
	// other tabs are under way with it.
	revokeGrace = 10 * time.Second
)

// Session names one browser's sign-in. It holds no token; it is what a session store keeps.
type Session struct {
	UserID  int64  // UserID is GitHub's number for the account, which outlives a change of its login.
	LoginID string // LoginID is random, one per sign-in.
}

// Login is what a sign-in begins.
type Login struct {
	// Lifetime is how long it lasts, whatever is done meanwhile. It must be more than zero.
	Lifetime time.Duration

	// Browser names the browser, if it is known; it is random and nothing else. Several tabs that sign
	// in at once make several logins, of which the browser keeps one: they end together.
	Browser string
}

// SignIn ends a sign-in: it exchanges the code of a callback, asks GitHub whose token it got, stores
// the token in that user's grant, and adds a login to it.
//
// It costs GitHub two calls and the store one read and one write. A token that the new one replaces
// is revoked at GitHub some seconds later, since GitHub keeps at most ten of an OAuth App's tokens
// per user and scopes (GitHub docs, "Authorizing OAuth apps"). Errors are package oauth's,
// [*StoreError], [*FormatError] and [ErrClosed]; after one nothing is signed in.
func (m *Manager) SignIn(ctx context.Context, code string, verifier oauth.Secret, l Login) (Session, oauth.User, error) {
	if l.Lifetime <= 0 {
		return Session{}, oauth.User{}, errors.New("grant: SignIn: the login has no lifetime")
	}
	// A visitor who hangs up must not leave a token behind that nobody knows.
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return Session{}, oauth.User{}, ErrClosed
	}
	defer done()
	tok, err := m.app.Exchange(ctx, code, verifier)
	if err != nil {
		return Session{}, oauth.User{}, err
	}

	// Whose token it is must be asked after every sign-in: the visitor may have changed accounts
	// (GitHub docs, "Authorizing OAuth apps").
	user, err := m.app.User(ctx, tok.AccessToken)
	if errors.Is(err, oauth.ErrSignInAgain) && pause(ctx, settle) == nil {
		user, err = m.app.User(ctx, tok.AccessToken)
	}
	if err != nil {
		m.revoke(ctx, tok, 0, "nobody could be signed in with it")
		return Session{}, oauth.User{}, err
	}

	now := time.Now()
	session := Session{UserID: user.ID, LoginID: rand.Text()}
	tried := false // To write it.
	before, after, err := m.update(ctx, m.key(user.ID), func(r *record) error {
		tried = true
		if _, ok := r.Logins[session.LoginID]; ok {
			return errUnchanged // An earlier try had got through, and others have built on it.
		}
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
		r.addLogin(session.LoginID, login{Created: now.UTC(), Expires: now.Add(l.Lifetime).UTC(), Browser: l.Browser})
		return nil
	})
	switch {
	case err != nil && !tried:
		m.revoke(ctx, tok, 0, "it could not be stored")
		return Session{}, oauth.User{}, err
	case err != nil:
		m.revokeUnlessStored(ctx, session, tok)
		return Session{}, oauth.User{}, err
	}
	m.giveUpPending(ctx, m.key(user.ID), "a new sign-in replaced it")
	if old := before.Token.oauth(); before != after && before.ClientID == m.app.ClientID() && !old.AccessToken.Equal(tok.AccessToken) {
		m.revoke(ctx, old, revokeGrace, "a new sign-in replaced it")
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "signed in", slog.Int64("user_id", user.ID))
	return session, user, nil
}

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

func (m *Manager) signOut(ctx context.Context, userID int64, keepToken bool, remove func(*record) bool) error {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	now := time.Now()
	before, after, err := m.update(ctx, m.key(userID), func(r *record) error {
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
	if before.Lineage != "" && after.Lineage == "" {
		m.giveUpPending(ctx, m.key(userID), "the user signed out")
		m.revoke(ctx, before.Token.oauth(), 0, "the user signed out")
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "signed out", slog.Int64("user_id", userID), slog.Int("logins_left", len(after.Logins)))
	return nil
}

// Lookup returns the user of a session that is signed in. It costs at most one read of the store: see
// [WithStaleness].
//
// needsLogin is not "" when the user is signed in but the app can't act for them until they sign in
// again. A session that is not, or no longer, signed in is [ErrSignedOut]; a store that can't be
// asked is a [*StoreError], which says nothing about the session.
func (m *Manager) Lookup(ctx context.Context, s Session) (user oauth.User, needsLogin Reason, err error) {
	r, err := m.lookup(ctx, m.key(s.UserID))
	if err != nil {
		return oauth.User{}, "", err
	}
	if r.ClientID != m.app.ClientID() || !r.signedIn(s.LoginID, time.Now()) {
		return oauth.User{}, "", ErrSignedOut
	}
	return r.User, r.NeedsLogin, nil
}

// revoke ends a token at GitHub behind the caller's back, after a grace that Close cuts short. It is
// a courtesy to the user: whoever signs out is signed out, whether or not GitHub can be reached.
func (m *Manager) revoke(ctx context.Context, t oauth.Token, grace time.Duration, why string) {
	if t.AccessToken.IsZero() {
		return
	}
	ctx, done, ok := m.work.detach(ctx, grace+revokeTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		m.work.linger(grace)
		err := m.revokeNow(ctx, t)
		for try := 0; errors.Is(err, oauth.ErrTryLater) && m.work.linger(backoff(try, time.Second, 10*time.Second)); try++ {
			err = m.revokeNow(ctx, t)
		}
		if err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "a token could not be revoked at GitHub",
				slog.String("why_revoked", why), slog.Any("error", err))
		}
	}()
}

// revokeUnlessStored deals with a sign-in whose write failed: it may have taken effect all the same,
// and then the user's other browsers live on this token.
func (m *Manager) revokeUnlessStored(ctx context.Context, s Session, tok oauth.Token) {
	ctx, done, ok := m.work.detach(ctx, outageTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try := 0; ctx.Err() == nil; try++ {
			r, _, err := m.get(ctx, m.key(s.UserID))
			if _, away := errors.AsType[*StoreError](err); away {
				if !m.work.linger(backoff(try, time.Second, 30*time.Second)) {
					return
				}
				continue
			}
			if err == nil {
				if _, stored := r.Logins[s.LoginID]; stored {
					return
				}
			}
			m.revoke(ctx, tok, 0, "it could not be stored")
			return
		}
	}()
}

// giveUpPending drops a pair that waits to be stored in a grant that is no more.
func (m *Manager) giveUpPending(ctx context.Context, key, why string) {
	if waiting, ok := m.pending.take(key); ok {
		m.revoke(ctx, waiting.token.oauth(), 0, why)
	}
}

func (m *Manager) revokeNow(ctx context.Context, t oauth.Token) error {
	if now := time.Now(); t.ExpiredAt(now) && t.Refreshable() {
		// GitHub takes no expired access token to name the one to revoke, while the refresh token
		// would live on for months. What a refresh brings can be revoked, and takes that along.
		next, err := m.app.Refresh(ctx, t)
		if errors.Is(err, oauth.ErrSignInAgain) {
			return nil // It is dead.
		}
		if err != nil {
			return err
		}
		t = next
	}
	return m.app.RevokeToken(ctx, t.AccessToken)
}
