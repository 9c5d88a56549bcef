package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// revokeTimeout bounds a revocation at GitHub with its repetitions. Nobody waits for it.
	revokeTimeout = time.Minute

	// outageTimeout is how long a store may be away before a sign-in or sign-out of which nobody knows whether
	// it was stored is left as it is.
	outageTimeout = 6 * time.Hour

	// revokeGrace is how long a token lives on that a new sign-in replaced: requests of the user's
	// other tabs are under way with it.
	revokeGrace = 10 * time.Second
)

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
		err := m.revokeNow(ctx, &t)
		for try := 0; errors.Is(err, oauth.ErrTryLater) && m.work.linger(backoff(try, time.Second, 10*time.Second)); try++ {
			err = m.revokeNow(ctx, &t)
		}
		if err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "a token could not be revoked at GitHub",
				slog.String("why_revoked", why), slog.Any("error", err))
		}
	}()
}

// revokeUnlessStored deals with a sign-in whose write failed: it may have taken effect all the same,
// and then the user's other browsers live on this token, and nobody knows the one before.
func (m *Manager) revokeUnlessStored(ctx context.Context, s Session, lineage string, tok, replaced oauth.Token) {
	m.onceStoreAnswers(ctx, s.UserID, func(ctx context.Context, r *record, version string, err error) error {
		if err == nil {
			if _, stored := r.Logins[s.LoginID]; stored || r.Lineage == lineage {
				m.revoke(ctx, replaced, revokeGrace, "a new sign-in replaced it")
				return nil
			}
			// That this can be written proves that the read was the newest, and keeps out the write that failed, should it
			// still be on its way.
			same := r.clone()
			if same.Lineage == "" {
				same.forget(m.clock())
			}
			same.WriteID = rand.Text()
			if _, err := m.put(ctx, s.UserID, same, version); err != nil {
				return err
			}
		}
		m.revoke(ctx, tok, 0, "it could not be stored")
		return nil
	})
}

// revokeIfForgotten deals with a sign-out whose write failed: it may have taken effect all the same, and then nobody
// else knows the token any more.
func (m *Manager) revokeIfForgotten(ctx context.Context, userID int64, lineage string, tok oauth.Token) {
	m.onceStoreAnswers(ctx, userID, func(ctx context.Context, r *record, _ string, err error) error {
		if err == nil && r.Lineage != lineage {
			m.revoke(ctx, tok, 0, "the user signed out")
		}
		return nil
	})
}

// onceStoreAnswers calls f behind the caller's back with what the store has to say, however long that takes, and again
// where f returns an error.
func (m *Manager) onceStoreAnswers(ctx context.Context, userID int64, f func(context.Context, *record, string, error) error) {
	ctx, done, ok := m.work.detach(ctx, outageTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try, last := 0, false; ctx.Err() == nil; try++ {
			r, version, err := m.get(ctx, userID)
			if _, away := errors.AsType[*StoreError](err); !away && f(ctx, r, version, err) == nil || last {
				return
			}
			last = !m.work.linger(backoff(try, time.Second, 30*time.Second)) // Close waits for one more look.
		}
	}()
}

// revokeNow makes one try. What a refresh brings on the way takes t's place, so that the next try goes on from
// there: t itself is spent then, and would pass for dead.
func (m *Manager) revokeNow(ctx context.Context, t *oauth.Token) error {
	now := m.clock()
	if !t.ExpiredAt(now) {
		known, err := m.app.RevokeTokenIfKnown(ctx, t.AccessToken)
		if err != nil || known {
			return err
		}
	}
	// GitHub takes no access token that has run out to name what to revoke, by whichever clock, while the refresh token
	// would live on for months. What a refresh brings can be revoked, and takes that along.
	if !t.Refreshable() || !t.RefreshExpiry.IsZero() && !now.Before(t.RefreshExpiry) {
		return nil
	}
	if err := m.brake.hold(time.Now()); err != nil {
		return err
	}
	next, err := m.requestToken(ctx, *t)
	switch {
	case errors.Is(err, oauth.ErrSignInAgain):
		return nil // It is dead.
	case err != nil:
		return err
	}
	*t = next
	return m.app.RevokeToken(ctx, t.AccessToken)
}
