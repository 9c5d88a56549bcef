package grant

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// storeBehindTimeout bounds the tries to store one refreshed token: longer than any outage of a store
// that would leave users with a service.
const storeBehindTimeout = 24 * time.Hour

// pairs holds the pairs that GitHub issued and the store would not take yet, as rotations in their storing
// phase. The zero value is ready to use.
type pairs struct {
	count  atomic.Int64 // So that a look-up costs nothing where nothing waits, which is nearly always.
	mu     sync.Mutex
	byUser map[int64]rotation
}

func (p *pairs) get(userID int64) (rotation, bool) {
	if p.count.Load() == 0 {
		return rotation{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.byUser[userID]
	return r, ok
}

func (p *pairs) hold(userID int64, r rotation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byUser == nil {
		p.byUser = make(map[int64]rotation)
	}
	p.byUser[userID] = r
	p.count.Store(int64(len(p.byUser)))
}

// drop removes a pair, and reports whether it was there.
func (p *pairs) drop(userID int64, r rotation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	held, ok := p.byUser[userID]
	if !ok || held.name != r.name {
		return false
	}
	delete(p.byUser, userID)
	p.count.Store(int64(len(p.byUser)))
	return true
}

// storeBehind keeps a pair in memory, where it is served from, until the store takes it. [Manager.Close] waits
// for that.
func (m *Manager) storeBehind(ctx context.Context, userID int64, r rotation) {
	m.pairs.hold(userID, r)
	ctx, done, ok := m.work.detach(ctx, storeBehindTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try := 0; ctx.Err() == nil; try++ {
			if !m.work.linger(backoff(try, 100*time.Millisecond, 5*time.Second)) {
				_ = pause(ctx, 100*time.Millisecond) // Close waits for this.
			}
			if held, ok := m.pairs.get(userID); !ok || held.name != r.name {
				return // Stored by another refresh on its way, or given up with its grant.
			}
			if done := m.storeNow(ctx, userID, r); done.outcome != pending {
				return
			}
		}
	}()
}

// storeNow tries to store a pair that waits for it. If it ends as anything but pending, the pair waits no more.
func (m *Manager) storeNow(ctx context.Context, userID int64, r rotation) effect {
	start := time.Now()
	r, do := r.resume(forNothing)
	r, do = m.run(ctx, userID, r, do)
	if do.outcome == pending || !m.pairs.drop(userID, r) {
		return do // Where it was dropped by another, that one has told of it.
	}
	if do.outcome == renewed {
		m.tell(ctx, Event{Kind: EventPairStored, UserID: userID, Generation: do.record.Generation, Took: time.Since(start)})
	} else {
		m.concluded(ctx, userID, r, do, time.Since(start))
	}
	return do
}

// giveUpPair drops a pair that waits to be stored in a grant that is no more, now that another one or none is there.
func (m *Manager) giveUpPair(ctx context.Context, userID int64, now *record) {
	if r, ok := m.pairs.get(userID); ok && r.began.Lineage != now.Lineage && m.pairs.drop(userID, r) {
		m.revokeOutlived(ctx, userID, r, now)
	}
}

// withPair lays a pair that waits to be stored over what the store holds, and has it stand in for that while the
// store is away.
func (m *Manager) withPair(userID int64, r *record, err error) (*record, error) {
	waiting, ok := m.pairs.get(userID)
	switch {
	case !ok:
		return r, err
	case err != nil:
		return waiting.over(waiting.began), nil //nolint:nilerr // It is what the store would say.
	}
	return waiting.over(r), nil
}
