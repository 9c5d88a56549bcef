package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ghlogin/ghlogin/oauth"
)

// refreshTimeout bounds one refresh with all its waiting: for another's lease, for GitHub, for the
// store, and for the grace that a former owner is given.
const refreshTimeout = 90 * time.Second

// refresh replaces the token that seen names, or finds that somebody has. The record it returns has
// another id than seen, or says why there is no other token.
//
// One refresh is under way per user in this process, keyed by user and never by token, and it is not
// tied to the request that began it: a caller who hangs up loses nothing.
func (m *Manager) refresh(ctx context.Context, key string, seen id) (*record, error) {
	select {
	case res := <-m.refreshBehind(ctx, key, seen):
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*record), nil //nolint:forcetypeassert // refreshBehind puts nothing else in.
	case <-ctx.Done():
		return nil, fmt.Errorf("grant: waiting for the token's refresh: %w", ctx.Err())
	}
}

// refreshBehind starts a refresh, or joins the one under way, and does not wait for it.
func (m *Manager) refreshBehind(ctx context.Context, key string, seen id) <-chan singleflight.Result {
	return m.flights.DoChan(key, func() (any, error) {
		ctx, done, ok := m.work.detach(ctx, refreshTimeout)
		if !ok {
			return nil, ErrClosed
		}
		if m.work.isClosing() {
			done()
			return nil, ErrClosed
		}
		defer done()
		return m.rotate(ctx, key, seen)
	})
}

// rotate is a refresh, step by step. Steps 1 and 4 are the only writes where nothing goes wrong.
func (m *Manager) rotate(ctx context.Context, key string, seen id) (*record, error) {
	// 0. A pair that could not be stored yet comes before any newer one.
	if waiting, ok := m.pending.get(key); ok {
		if _, err := m.commit(ctx, key, waiting); err != nil {
			return nil, err
		}
	}

	// 1. Claim the refresh, in the process and in the fleet. That this write succeeds also shows
	// that the store can be written before the refresh token is spent.
	began, err := m.claim(ctx, key, seen)
	if err != nil || began.Lease.Owner != m.owner {
		return began, err
	}

	// 2. Ask GitHub, once: the refresh token is single use, so a second request for an answer that
	// got lost would turn a hiccup into bad_refresh_token.
	start := time.Now()
	tok, err := m.app.Refresh(ctx, began.Token.oauth())

	// 3. What GitHub said decides.
	switch {
	case errors.Is(err, oauth.ErrSignInAgain):
		return m.refused(ctx, key, began, err)
	case err != nil:
		return m.failed(ctx, key, began, err)
	}

	// 4. Store the pair before anybody uses it. If the store is away, the pair is served from memory
	// and stored behind: it is the only one that works now.
	next := renewal{began: *began, token: storedToken(tok, start)}
	r, err := m.commit(ctx, key, next)
	if err != nil {
		m.commitBehind(ctx, key, next, err)
		return next.over(began), nil
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "token refreshed", slog.Int64("user_id", began.User.ID),
		slog.Int64("generation", r.Generation), slog.Duration("took", time.Since(start)))
	return r, nil
}

// claim writes this manager's lease into the grant, unless the token is no longer the one seen.
// Another's lease is waited out first: it may be taken over only after the same write has stood for
// the lease's whole length on this process's own clock, so that no two machines' clocks are ever
// compared.
func (m *Manager) claim(ctx context.Context, key string, seen id) (r *record, err error) {
	var (
		watched string // The write id that carries another's lease,
		since   time.Time
	)
	for try := 0; ; try++ {
		leased := false
		_, r, err = m.update(ctx, key, func(r *record) error {
			if r.id() != seen || r.NeedsLogin != "" || r.Failure.holds(time.Now()) {
				return errUnchanged
			}
			if r.Lease.Owner != "" && r.Lease.Owner != m.owner {
				if r.WriteID != watched {
					watched, since = r.WriteID, time.Now()
				}
				if time.Since(since) < min(r.Lease.Length, 2*leaseLength) {
					leased = true
					return errUnchanged
				}
			}
			// A lease that is still there was left by a refresh that could not write its end. It may
			// have spent the token, also if it was one's own.
			if r.Lease.Owner != "" {
				r.Failure.Unknown = true
			}
			r.Lease = lease{Owner: m.owner, Length: leaseLength}
			return nil
		})
		if err != nil || !leased {
			return r, err
		}
		if err := pause(ctx, backoff(try, 50*time.Millisecond, time.Second)); err != nil {
			return nil, fmt.Errorf("grant: waiting for another process's refresh: %w", err)
		}
	}
}

// commit stores a pair that GitHub issued. Neither the lease nor a "needs login" that another wrote
// meanwhile keeps it out: the refresh token is single use, so whoever got the pair is the one
// winner, and the grant must hold it.
func (m *Manager) commit(ctx context.Context, key string, next renewal) (*record, error) {
	gaveWay := false
	_, r, err := m.update(ctx, key, func(r *record) error {
		switch {
		case r.id() == next.began.id():
			next.apply(r)
			return nil
		case r.Lineage == next.began.Lineage:
			return errUnchanged // An earlier try had got through.
		}
		gaveWay = true // To a newer sign-in, or to a sign-out.
		return errUnchanged
	})
	if err != nil {
		return nil, err
	}
	m.pending.drop(key, next)
	if gaveWay {
		m.revoke(ctx, next.token.oauth(), 0, "the grant it renewed was replaced or forgotten")
	}
	return r, nil
}

// refused deals with bad_refresh_token. In a fleet that most often means that somebody else was
// first, so the grant is read again before it is believed.
func (m *Manager) refused(ctx context.Context, key string, began *record, cause error) (*record, error) {
	reason := ReasonRevoked
	if began.Failure.Unknown {
		reason = ReasonLost
		// Somebody may hold the pair and be slow to store it.
		deadline := time.Now().Add(leaseLength)
		for try := 0; time.Now().Before(deadline); try++ {
			r, _, err := m.get(ctx, key)
			if err == nil && r.id() != began.id() {
				return r, nil
			}
			if err := pause(ctx, backoff(try, 50*time.Millisecond, time.Second)); err != nil {
				return nil, fmt.Errorf("grant: waiting for another process's refresh: %w", err)
			}
		}
	}
	return m.endRefresh(ctx, key, began, cause, func(r *record) { r.NeedsLogin = reason })
}

// failed deals with a refresh that says nothing about the user: GitHub was away, or refused the app.
// The grant stays as it is, and when to try again goes into it, so that a fleet does not hammer.
func (m *Manager) failed(ctx context.Context, key string, began *record, cause error) (*record, error) {
	r, err := m.endRefresh(ctx, key, began, cause, func(*record) {})
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	if r.id() == began.id() {
		return nil, cause
	}
	return r, nil
}

// endRefresh gives the lease back and notes what went wrong.
func (m *Manager) endRefresh(ctx context.Context, key string, began *record, cause error, mark func(*record)) (*record, error) {
	f := nextFailure(began.Failure, cause, time.Now())
	_, r, err := m.update(ctx, key, func(r *record) error {
		if r.id() != began.id() {
			return errUnchanged
		}
		r.Lease = lease{}
		r.Failure = f
		mark(r)
		return nil
	})
	m.log.LogAttrs(ctx, slog.LevelWarn, "token not refreshed", slog.Int64("user_id", began.User.ID), slog.Any("error", cause))
	return r, err
}

func nextFailure(last failure, cause error, now time.Time) failure {
	f := failure{At: now.UTC(), Count: last.Count + 1, Unknown: last.Unknown}
	wait := backoff(last.Count, 2*time.Second, maxBackoff)
	if errors.Is(cause, oauth.ErrMisconfigured) {
		// Short, because it ends the moment somebody sets the right secret.
		f.Misconfigured = true
		wait = backoff(last.Count, 2*time.Second, 30*time.Second)
	}
	if e, ok := errors.AsType[*oauth.Error](cause); ok {
		f.Code = string(e.Code)
		f.Unknown = f.Unknown || e.Unknown
		wait = max(wait, min(e.RetryAfter, maxBackoff))
	}
	f.NotBefore = now.Add(wait).UTC()
	return f
}
