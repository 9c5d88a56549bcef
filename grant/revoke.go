package grant

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// revokeTimeout bounds a revocation at GitHub with its repetitions. Nobody waits for it.
	revokeTimeout = time.Minute

	// outageTimeout is how long a store may be away before a sign-in of which nobody knows whether it
	// was stored is left as it is.
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
// and then the user's other browsers live on this token. It may also still be on its way. So it is not
// only looked for: another write takes its place, after which it can't count any more.
func (m *Manager) revokeUnlessStored(ctx context.Context, s Session, tok oauth.Token) {
	ctx, done, ok := m.work.detach(ctx, outageTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try := 0; ctx.Err() == nil; try++ {
			_, r, err := m.update(ctx, s.UserID, func(r *record) error {
				if _, stored := r.Logins[s.LoginID]; stored {
					return errUnchanged
				}
				if r.Lineage == "" {
					r.forget(m.clock())
				}
				return nil
			})
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

// revokeNow makes one try. What a refresh brings on the way takes t's place, so that the next try goes on from
// there: t itself is spent then, and would pass for dead.
func (m *Manager) revokeNow(ctx context.Context, t *oauth.Token) error {
	if now := m.clock(); t.ExpiredAt(now) && t.Refreshable() {
		// GitHub takes no expired access token to name the one to revoke, while the refresh token
		// would live on for months. What a refresh brings can be revoked, and takes that along.
		if !t.RefreshExpiry.IsZero() && !now.Before(t.RefreshExpiry) {
			return nil // It ended by itself.
		}
		if err := m.brake.hold(time.Now()); err != nil {
			return err
		}
		next, err := m.requestToken(ctx, *t)
		if errors.Is(err, oauth.ErrSignInAgain) {
			return nil // It is dead.
		}
		if err != nil {
			return err
		}
		*t = next
	}
	return m.app.RevokeToken(ctx, t.AccessToken)
}
