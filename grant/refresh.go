package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// refreshTimeout bounds a refresh until GitHub is asked, with all its waiting for another's lease; and from
	// then on, with the wait for GitHub, for the store, and for the grace that a former owner is given.
	refreshTimeout = 90 * time.Second

	// leaseLength is how long others wait for a refresh whose owner went silent: the token request
	// (10 s), the write of its result, and some room.
	leaseLength = 30 * time.Second
)

// refresh replaces the token that seen names, or finds that somebody has. The record it returns has
// another id than seen, or says why there is no other token.
//
// One refresh is under way per user in this process, keyed by user and never by token, and it is not
// tied to the request that began it: a caller who hangs up loses nothing.
func (m *Manager) refresh(ctx context.Context, userID int64, seen id) (*record, error) {
	select {
	case res := <-m.refreshBehind(ctx, userID, seen):
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*record), nil //nolint:forcetypeassert // refreshBehind puts nothing else in.
	case <-ctx.Done():
		return nil, &waitError{ctx.Err()}
	}
}

// refreshBehind starts a refresh, or joins the one under way, and does not wait for it.
func (m *Manager) refreshBehind(ctx context.Context, userID int64, seen id) <-chan singleflight.Result {
	return m.flights.DoChan(strconv.FormatInt(userID, 10), func() (any, error) {
		ctx, done, ok := m.work.detach(ctx, refreshTimeout)
		if !ok {
			return nil, ErrClosed
		}
		defer done()
		if m.work.isClosing() {
			return nil, ErrClosed
		}
		m.refreshing.Store(userID, time.Now())
		defer m.refreshing.Delete(userID)
		return m.rotate(ctx, userID, seen)
	})
}

// rotate carries out a rotation, and draws the conclusions.
func (m *Manager) rotate(ctx context.Context, userID int64, seen id) (*record, error) {
	// Whoever comes a moment too late for the last refresh has its result at hand.
	if r, ok := m.cache.current(userID); ok && r.id() != seen && !r.lagsBehind(seen) {
		return m.withPair(userID, r, nil)
	}
	// A pair that could not be stored yet comes before any newer one.
	if waiting, ok := m.pairs.get(userID); ok {
		if done := m.storeNow(ctx, userID, waiting); done.outcome == pending {
			return nil, done.err
		}
	}
	ctx, finish := m.outside.startRefresh(ctx)
	start := time.Now()
	r, do := beginRotation(m.owner, rand.Text(), seen)
	r.watched, r.since = m.watches.take(userID, start)
	r, do = m.run(ctx, userID, r, do)
	if r.phase == claiming && do.err != nil {
		m.watches.leave(userID, r.watched, start.Add(r.since)) // The next one goes on with it.
	}
	m.concluded(ctx, userID, r, do, time.Since(start))
	finish(do.outcome, do.err)
	if do.outcome == pending {
		m.storeBehind(ctx, userID, r)
		return do.record, nil
	}
	return do.record, do.err
}

// run does what a rotation wants done, until its end.
func (m *Manager) run(ctx context.Context, userID int64, r rotation, do effect) (rotation, effect) {
	var (
		start  = time.Now()
		waited time.Duration // For another's refresh.
		leave  func()        // Ends its turn; nil without one.
	)
	endTurn := func() {
		if leave != nil {
			leave()
			leave = nil
		}
	}
	defer endTurn()
	for do.op != end {
		var ev event
		switch do.op {
		case read:
			if do.wait == forLease { // Another was faster to claim it.
				endTurn()
			}
			d := untilNextRead(do.wait, r.waits, waited)
			if do.wait == forLease || do.wait == forWinner {
				waited += d
			}
			if ev.err = m.await(ctx, do.wait, d); ev.err == nil {
				ev.record, ev.version, ev.err = m.get(ctx, userID)
			}
		case write:
			if r.phase == claiming && leave == nil {
				var err error
				if leave, err = m.turn(ctx); err != nil {
					return r, effect{op: end, outcome: declined, err: err}
				}
			}
			ev.wrote, ev.record = true, do.record
			ev.version, ev.err = m.put(ctx, userID, do.record, do.version)
		case ask:
			// An answer that is cut off is a lost pair, so it gets its time however long the wait for its turn was.
			if own, done, ok := m.work.detach(ctx, refreshTimeout); ok {
				defer done()
				ctx = own //nolint:fatcontext // It happens once.
			}
			ev.pair, ev.failure, ev.err = m.ask(ctx, do.record)
			endTurn() // What comes now may wait for the store, or for whoever holds the pair.
		}
		r, do = r.step(ev, moment{wall: m.clock(), elapsed: time.Since(start)})
	}
	return r, do
}

// maxAsking is how many refreshes of a process may be between claim and answer at a time: where GitHub begins to refuse
// the app, the brake hears of it only by answers, and a morning's thousand users would all have asked by then.
const maxAsking = 32

// turn waits until a refresh may be claimed, and returns what ends its turn. A lease is not waited for within it: the leases
// of a replica that died would keep everybody waiting.
func (m *Manager) turn(ctx context.Context) (leave func(), err error) {
	select {
	case m.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, &waitError{ctx.Err()}
	}
	leave = func() { <-m.asking }
	if err := m.brake.hold(time.Now()); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// ask sends the one token request of a rotation.
func (m *Manager) ask(ctx context.Context, began *record) (token, failure, error) {
	asked := m.clock()
	next, err := m.requestToken(ctx, began.Token.oauth())
	if err != nil {
		return token{}, nextFailure(began.Failure, err, m.clock()), err
	}
	return storedToken(next, asked), failure{}, nil
}

// requestToken asks GitHub for the next token. The brake and the metrics hear of it.
func (m *Manager) requestToken(ctx context.Context, t oauth.Token) (oauth.Token, error) {
	next, err := m.app.Refresh(ctx, t)
	if ctx.Err() == nil || err == nil { // That our own time was up says nothing of GitHub.
		m.brake.note(err, time.Now())
	}
	m.outside.asked(ctx, err)
	return next, err
}

// untilNextRead is the pause before a rotation reads again, for the n-th time in its phase.
func untilNextRead(w wait, n int, waited time.Duration) time.Duration {
	switch w {
	case forWriter, forOutage:
		return backoff(n-1, 5*time.Millisecond, 500*time.Millisecond)
	case forLease, forWinner:
		// A quarter of what was waited already: short for a refresh that takes a moment, and rare for one whose owner died.
		d := min(max(waited/4, 20*time.Millisecond), time.Second)
		return d/2 + jitter(d/2)
	default:
		return 0
	}
}

func (m *Manager) await(ctx context.Context, w wait, d time.Duration) error {
	if (w == forLease || w == forWinner) && m.work.isClosing() {
		return &waitError{ErrClosed} // Another replica will see what comes of it.
	}
	if w == forNothing {
		return nil
	}
	if err := pause(ctx, d); err != nil {
		return &waitError{err}
	}
	return nil
}

// waitError says that a refresh was not over when its time was.
type waitError struct{ err error }

func (e *waitError) Error() string {
	return "grant: another process is refreshing the token, or the store is slow: " + e.err.Error()
}

func (e *waitError) Unwrap() error { return e.err }

// Is matches [oauth.ErrTryLater].
func (e *waitError) Is(target error) bool { return target == oauth.ErrTryLater }

// concluded tells of a rotation's end, and does away with a pair that has none to belong to.
func (m *Manager) concluded(ctx context.Context, userID int64, r rotation, done effect, took time.Duration) {
	if r.waited {
		m.tell(ctx, Event{Kind: EventLeaseAwaited, UserID: userID, Took: took})
	}
	if r.tookOver && r.phase != claiming {
		m.tell(ctx, Event{Kind: EventLeaseTakenOver, UserID: userID})
	}
	switch done.outcome {
	case renewed:
		m.tell(ctx, Event{Kind: EventRefreshed, UserID: userID, Generation: done.record.Generation, Took: took})
	case pending:
		m.tell(ctx, Event{Kind: EventPairHeld, UserID: userID, Err: done.err, Took: took})
	case gaveWay:
		m.tell(ctx, Event{Kind: EventGaveWay, UserID: userID, Took: took})
		m.revokeOutlived(ctx, userID, r, done.record)
	case adopted:
		m.tell(ctx, Event{Kind: EventAdopted, UserID: userID, Generation: done.record.Generation, Took: took})
	case dead:
		m.tell(ctx, Event{Kind: EventNeedsLogin, UserID: userID, Reason: done.record.NeedsLogin, Err: r.cause, Took: took})
	case failed, unavailable:
		m.tell(ctx, Event{Kind: EventRefreshFailed, UserID: userID, Err: done.err, Took: took})
	case declined:
	}
}

// nextFailure is what a failed token request leaves in the grant.
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
