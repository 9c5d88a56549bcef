package grant

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultStaleness is how long a grant that was read is taken for current. A sign-out on another
	// replica counts here after that; a token that another replica refreshed shows by GitHub's 401.
	defaultStaleness = 10 * time.Second

	// outageStaleness is how long one is served on while the store does not answer. It bounds for how
	// long a replica that is cut off from the store can be unaware of a sign-out.
	outageStaleness = time.Hour

	// outageRest is for how long a store that did not answer is left alone: without it each request would
	// wait for a store that hangs, and more than once.
	outageRest = 2 * time.Second

	// defaultCacheSize bounds how many users' grants are kept, at some 2 KiB each.
	defaultCacheSize = 10_240

	// cacheShards is how many locks the users are spread over, so that they do not wait for each other.
	cacheShards = 64
)

// cache keeps grants for a moment, so that a steady request costs the store nothing and a short outage
// of the store nobody notices. It holds records that nobody changes any more. It is safe for concurrent
// use.
type cache struct {
	staleness time.Duration // Zero keeps nothing, unless there is isCurrent.
	size      int

	// isCurrent asks a store in this process whether a version is still what stands under a key: with it no grant is ever out of
	// date, and none is decoded twice. Nil for a store that can't be asked that.
	isCurrent func(key, version string) bool

	shards [cacheShards]cacheShard

	hits, misses, outages, failures atomic.Int64 // Look-ups, by what they met.
}

type cacheShard struct {
	mu     sync.RWMutex
	byUser map[int64]remembered
}

type remembered struct {
	record  *record
	key     string    // In the store.
	version string    // Of what stands there.
	at      time.Time // Since when it may be out of date: its read or write began then.
	order   uint64    // Of its read's begin or its write's end among all: see [Manager.order].
	doubted bool      // Something was tried since, of which nobody knows whether it counted.
	rest    time.Time // Until then an outage is not asked about again.
}

func (c *cache) shard(userID int64) *cacheShard { return &c.shards[uint64(userID)%cacheShards] } //nolint:gosec // Any shard will do.

func (c *cache) isOff() bool { return c.staleness == 0 && c.isCurrent == nil }

// current returns a grant that counts as current.
func (c *cache) current(userID int64) (*record, bool) {
	if c.isOff() {
		return nil, false
	}
	s := c.shard(userID)
	s.mu.RLock()
	e, ok := s.byUser[userID]
	s.mu.RUnlock()
	if !ok {
		return nil, false
	}
	if c.isCurrent != nil {
		if e.doubted || !c.isCurrent(e.key, e.version) {
			return nil, false
		}
		c.hits.Add(1)
		return e.record, true
	}
	age := time.Since(e.at)
	resting := !e.rest.IsZero() && time.Now().Before(e.rest) && age < outageStaleness
	if resting {
		c.outages.Add(1)
		return e.record, true
	}
	if e.doubted || age >= c.staleness {
		return nil, false
	}
	c.hits.Add(1)
	return e.record, true
}

// despiteOutage returns what is kept of a user whose store does not answer, and leaves the store alone for a
// while.
func (c *cache) despiteOutage(userID int64) (*record, bool) {
	s := c.shard(userID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byUser[userID]
	if !ok || time.Since(e.at) >= outageStaleness {
		return nil, false
	}
	e.rest = time.Now().Add(outageRest)
	s.byUser[userID] = e
	c.outages.Add(1)
	return e.record, true
}

// asking has others go on with what is kept while a store that did not answer a moment ago is asked again. Only
// a moment: they would miss a sign-out on another replica if it had come back since.
func (c *cache) asking(userID int64) {
	s := c.shard(userID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byUser[userID]
	if now := time.Now(); ok && !e.rest.IsZero() && now.Sub(e.rest) < outageRest {
		e.rest = now.Add(storeTimeout)
		s.byUser[userID] = e
	}
}

// put keeps what a read found, unless something newer is kept: an answer that was long on its way, or one of a replica
// that lags behind, must not bring back what was signed out or refreshed meanwhile.
func (c *cache) put(userID int64, next remembered) {
	if c.isOff() {
		return
	}
	s := c.shard(userID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byUser[userID]; ok && (e.order > next.order || next.record.lagsBehind(e.record.id())) {
		return
	}
	c.keepLocked(s, userID, next)
}

// putWritten keeps what was written over the version over, unless another writer built on it before the answer came:
// that shows where something was read since the write began that is neither what it found nor what it left.
func (c *cache) putWritten(userID int64, next remembered, over string, began uint64) {
	if c.isOff() {
		return
	}
	s := c.shard(userID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byUser[userID]; ok && e.order > began && e.version != over && e.version != next.version {
		e.doubted, e.order = true, next.order // A store that lags behind may have answered with something older, too.
		s.byUser[userID] = e
		return
	}
	c.keepLocked(s, userID, next)
}

func (c *cache) keepLocked(s *cacheShard, userID int64, next remembered) {
	_, ok := s.byUser[userID]
	if s.byUser == nil {
		s.byUser = make(map[int64]remembered)
	}
	if !ok && len(s.byUser) >= max(1, c.size/cacheShards) {
		for other := range s.byUser { // Any: whoever it hits costs one read more.
			delete(s.byUser, other)
			break
		}
	}
	s.byUser[userID] = next
}

// doubt has the next look-up ask the store: a write was tried that may have counted, and reads from before its end
// tell nothing of it. What is kept goes on to serve in an outage.
func (c *cache) doubt(userID int64, order uint64) {
	s := c.shard(userID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byUser[userID]; ok {
		e.doubted, e.rest, e.order = true, time.Time{}, order
		s.byUser[userID] = e
	}
}

// failed counts a look-up for which neither the store nor the memory had an answer.
func (c *cache) failed(err error) {
	if err != nil {
		c.failures.Add(1)
	}
}

// len is how many grants are kept.
func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.byUser)
		s.mu.RUnlock()
	}
	return n
}
