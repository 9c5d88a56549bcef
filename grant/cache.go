package grant

import (
	"sync"
	"time"
)

const (
	// defaultStaleness is how long a grant that was read is taken for current. A sign-out on another
	// replica counts here after that; a token that another replica refreshed shows by GitHub's 401.
	defaultStaleness = 10 * time.Second

	// outageStaleness is how long one is served on while the store does not answer. It bounds for how
	// long a replica that is cut off from the store can be unaware of a sign-out.
	outageStaleness = time.Hour

	// cacheSize bounds how many users' grants are kept, at some 2 KiB each.
	cacheSize = 10_000
)

// cache keeps grants for a moment, so that a steady request costs the store nothing and a short outage
// of the store nobody notices. It holds records that nobody changes any more. It is safe for concurrent
// use.
type cache struct {
	staleness time.Duration // Zero keeps nothing.

	mu    sync.RWMutex
	byKey map[string]cached
}

type cached struct {
	record *record
	at     time.Time
	rest   time.Time // Until then an outage is not asked about again.
}

// outageRest is for how long a store that did not answer is left alone: without it each request would
// wait for a store that hangs, and more than once.
const outageRest = 2 * time.Second

// get returns what was kept less than d ago.
func (c *cache) get(key string, d time.Duration) (*record, bool) {
	if c.staleness == 0 {
		return nil, false
	}
	c.mu.RLock()
	e, ok := c.byKey[key]
	c.mu.RUnlock()
	if !ok || time.Since(e.at) >= d {
		return nil, false
	}
	return e.record, true
}

// resting returns what is kept while the store is left alone.
func (c *cache) resting(key string) (*record, bool) {
	c.mu.RLock()
	e := c.byKey[key]
	c.mu.RUnlock()
	if !time.Now().Before(e.rest) {
		return nil, false
	}
	return c.get(key, outageStaleness)
}

// rest leaves the store alone for a while, as far as key is concerned.
func (c *cache) rest(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		e.rest = time.Now().Add(outageRest)
		c.byKey[key] = e
	}
}

// put keeps r as it was read or written at the time at, unless something newer is kept: an answer that
// was long on its way must not bring back what was signed out meanwhile.
func (c *cache) put(key string, r *record, at time.Time) {
	if c.staleness == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok && e.at.After(at) {
		return
	}
	if c.byKey == nil {
		c.byKey = make(map[string]cached)
	}
	if len(c.byKey) >= cacheSize {
		for other := range c.byKey { // Any: whoever it hits costs one read more.
			delete(c.byKey, other)
			break
		}
	}
	c.byKey[key] = cached{record: r, at: at}
}

// drop forgets what is kept, for a write of which nobody knows whether it took effect.
func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byKey, key)
}
