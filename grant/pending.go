package grant

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// commitTimeout bounds the tries to store one refreshed token: longer than any outage of a store
// that would leave users with a service.
const commitTimeout = 24 * time.Hour

// renewal is a pair that GitHub issued for the grant as it was when the refresh began.
type renewal struct {
	began record
	token token
}

// apply puts the pair into r.
func (n renewal) apply(r *record) {
	t := n.token
	if t.Scopes == nil {
		t.Scopes = r.Token.Scopes // A refresh can't change them.
	}
	r.Token = t
	r.Generation = n.began.Generation + 1
	r.Lease, r.Failure, r.NeedsLogin = lease{}, failure{}, ""
}

// over returns r with the pair in it, if r is the grant that it renews.
func (n renewal) over(r *record) *record {
	if r.id() != n.began.id() {
		return r
	}
	r = r.clone()
	n.apply(r)
	return r
}

// pending holds the pairs that the store would not take yet. The zero value is ready to use.
type pending struct {
	mu    sync.Mutex
	byKey map[string]renewal
}

func (p *pending) get(key string) (renewal, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.byKey[key]
	return n, ok
}

func (p *pending) hold(key string, n renewal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byKey == nil {
		p.byKey = make(map[string]renewal)
	}
	p.byKey[key] = n
}

// take removes the pair of key, whichever it is, and returns it.
func (p *pending) take(key string) (renewal, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.byKey[key]
	delete(p.byKey, key)
	return n, ok
}

func (p *pending) drop(key string, n renewal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held := p.byKey[key]; held.began.id() == n.began.id() {
		delete(p.byKey, key)
	}
}

func (p *pending) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byKey)
}

// commitBehind keeps a pair in memory, where it is served from, until the store takes it.
func (m *Manager) commitBehind(ctx context.Context, key string, next renewal, cause error) {
	m.pending.hold(key, next)
	m.log.LogAttrs(ctx, slog.LevelError, "a refreshed token could not be stored; it is served from memory and tried again",
		slog.Int64("user_id", next.began.User.ID), slog.Any("error", cause))
	ctx, done, ok := m.work.detach(ctx, commitTimeout)
	if !ok {
		return
	}
	go func() {
		defer done()
		for try := 0; ctx.Err() == nil; try++ {
			if !m.work.linger(backoff(try, 100*time.Millisecond, 5*time.Second)) {
				_ = pause(ctx, 100*time.Millisecond) // Close waits for this.
			}
			if waiting, ok := m.pending.get(key); !ok || waiting.began.id() != next.began.id() {
				return // Stored by another refresh on its way, or given up with its grant.
			}
			if _, err := m.commit(ctx, key, next); err == nil {
				return
			}
		}
	}()
}
