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
	// revokeTimeout bounds a revocation at GitHub with its repetitions, of which nobody waits for any: longer than GitHub asks
	// to be left alone.
	revokeTimeout = 3 * maxBackoff

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
	m.revokeBehind(ctx, t, grace, why, m.app.RevokeTokenIfKnown)
}

// revokeSignedOut ends the token, which had the lineage, of a user who has signed out for the last time; and with
// [WithRevokeAuthorization] whatever else they granted to the app.
func (m *Manager) revokeSignedOut(ctx context.Context, userID int64, lineage string, t oauth.Token) {
	end := m.app.RevokeTokenIfKnown
	if m.revokeAll {
		end = func(ctx context.Context, access oauth.Secret) (known bool, err error) {
			return m.revokeAuthorization(ctx, userID, lineage, access)
		}
	}
	m.revokeBehind(ctx, t, 0, "the user signed out", end)
}

// revokeAuthorization asks before each try whether the user has signed in again meanwhile: it would end their new token, too.
func (m *Manager) revokeAuthorization(ctx context.Context, userID int64, lineage string, access oauth.Secret) (known bool, err error) {
	r, _, err := m.get(ctx, userID)
	_, unreadable := errors.AsType[*FormatError](err)
	switch {
	case unreadable, err == nil && r.Lineage != "" && r.Lineage != lineage:
		return m.app.RevokeTokenIfKnown(ctx, access)
	case err != nil:
		return false, err
	}
	err = m.app.RevokeGrant(ctx, access)
	if errors.Is(err, oauth.ErrSignInAgain) {
		return false, nil
	}
	return err == nil, err
}

// revokeOutlived ends the pair of a rotation whose grant was replaced, or forgotten, before it could be stored.
func (m *Manager) revokeOutlived(ctx context.Context, userID int64, r rotation, now *record) {
	if now.Lineage == "" {
		m.revokeSignedOut(ctx, userID, r.began.Lineage, r.pair.oauth())
		return
	}
	m.revoke(ctx, r.pair.oauth(), 0, "a new sign-in replaced it")
}

// endToken ends an access token at GitHub, and says whether GitHub knew it.
type endToken func(ctx context.Context, access oauth.Secret) (known bool, err error)

func (m *Manager) revokeBehind(ctx context.Context, t oauth.Token, grace time.Duration, why string, end endToken) {
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
		err := m.revokeNow(ctx, &t, end)
		// A refused app may be mended meanwhile, too.
		for try := 0; err != nil && ctx.Err() == nil && m.work.linger(backoff(try, time.Second, 30*time.Second)); try++ {
			err = m.revokeNow(ctx, &t, end)
		}
		if err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "a token could not be revoked at GitHub",
				slog.String("why_revoked", why), slog.Any("error", err))
		}
	}()
}

// revokeUnlessStored deals with a sign-in whose write failed: it may have taken effect all the same, and then the user's
// other browsers live on this token, and nobody knows the one that it replaced.
func (m *Manager) revokeUnlessStored(ctx context.Context, s Session, lineage string, tok oauth.Token, replaced replacedTokens) {
	counted := func(r *record) bool {
		_, ok := r.Logins[s.LoginID]
		return ok || r.Lineage == lineage
	}
	m.settleDoubt(ctx, s.UserID, counted, func(ctx context.Context, r *record, counted bool) {
		if !counted {
			m.revoke(ctx, tok, 0, "it could not be stored")
		}
		for _, old := range replaced {
			if r.Lineage != old.Lineage { // Replaced by this sign-in, or by whoever has written since.
				m.revoke(ctx, old.Token.oauth(), revokeGrace, "a new sign-in replaced it")
			}
		}
	})
}

// revokeIfForgotten deals with a sign-out whose write failed: it may have taken effect all the same, and then nobody
// else knows the token any more.
func (m *Manager) revokeIfForgotten(ctx context.Context, userID int64, was *record) {
	m.settleDoubt(ctx, userID, func(r *record) bool { return r.Lineage != was.Lineage }, func(ctx context.Context, now *record, counted bool) {
		if counted && !was.Token.AccessToken.Equal(now.Token.AccessToken.Secret) {
			m.revokeSignedOut(ctx, userID, was.Lineage, was.Token.oauth())
		}
	})
}

// settleDoubt finds out, behind the caller's back and however long the store is away, whether a write counted, and
// calls then. To read is not enough, since the read may lag behind, and the write still be on its way: what stands there is
// written anew, which proves that it is the newest, and after which the other can't count any more.
func (m *Manager) settleDoubt(ctx context.Context, userID int64, counted func(*record) bool, then func(context.Context, *record, bool)) {
	ctx, done, ok := m.work.detach(ctx, outageTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try, last := 0, false; ctx.Err() == nil && !last; try++ {
			r, version, err := m.get(ctx, userID)
			_, unreadable := errors.AsType[*FormatError](err)
			switch {
			case unreadable: // It is not ours to overwrite.
				then(ctx, &record{}, false)
				return
			case err == nil:
				same := r.clone()
				if same.Lineage == "" {
					same.forget(m.clock())
				}
				same.sign(rand.Text())
				if _, err = m.put(ctx, userID, same, version); err == nil {
					then(ctx, same, counted(same))
					return
				}
			}
			if !m.work.linger(backoff(try, time.Second, 30*time.Second)) {
				last = try > 0 // Close waits for one more look.
			}
		}
	}()
}

// revokeNow makes one try. What a refresh brings on the way takes t's place, so that the next try goes on from
// there: t itself is spent then, and would pass for dead.
func (m *Manager) revokeNow(ctx context.Context, t *oauth.Token, end endToken) error {
	now := m.clock()
	if !t.ExpiredAt(now) {
		known, err := end(ctx, t.AccessToken)
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
	_, err = end(ctx, t.AccessToken)
	return err
}
