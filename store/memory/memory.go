// Package memory keeps grants in the memory of one process.
//
// It is right for development, for tests and for a single server whose users may sign in again
// after a restart. Nothing is written to disk, and nothing outlives the process.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

// shards is how many locks the keys are spread over, so that users do not wait for each other.
const shards = 64

// sweepEvery is how often a shard drops its expired entries, at most. The work is done by whichever
// Put comes next, so the store needs no goroutine that somebody would have to stop.
const sweepEvery = time.Minute

// Store is a [store.Store], [store.Lister] and [store.Pinger] in memory. It is safe for concurrent
// use. It starts no goroutine and needs no Close. Make one with [New].
type Store struct {
	seed    maphash.Seed
	version atomic.Uint64 // Never starts over, not even for a key that was deleted.
	// shards is a pointer because fmt ignores Format for a Store in somebody's unexported field, and prints what it finds
	// there: the entries, if they stood in the Store itself, but no more than an address of what is behind a pointer.
	shards *[shards]shard
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Lister = (*Store)(nil)
	_ store.Pinger = (*Store)(nil)
)

type shard struct {
	mu      sync.RWMutex
	entries map[string]store.Entry
	swept   time.Time
}

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed(), shards: new([shards]shard)}
	now := time.Now()
	for i := range s.shards {
		s.shards[i].entries = make(map[string]store.Entry)
		s.shards[i].swept = now
	}
	return s
}

// Format prints nothing of what s holds, under every verb.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "memory.Store") }

// Get implements [store.Store]. An entry whose Expires has passed is not found.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	sh := s.shard(key)
	sh.mu.RLock()
	e, ok := sh.entries[key]
	sh.mu.RUnlock()
	if !ok || expired(e, time.Now()) {
		return store.Entry{}, store.ErrNotFound
	}
	e.Value = bytes.Clone(e.Value)
	return e, nil
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	now := time.Now()
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()

	if now.Sub(sh.swept) >= sweepEvery {
		sh.sweep(now)
	}
	current := sh.entries[key] // The zero entry's Version is "", which is what "nothing" must equal.
	if expired(current, now) {
		current = store.Entry{}
	}
	if current.Version != e.Version {
		return "", store.ErrConflict
	}
	e.Value = bytes.Clone(e.Value)
	e.Version = strconv.FormatUint(s.version.Add(1), 10)
	sh.entries[key] = e
	return e.Version, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := s.shard(key)
	sh.mu.Lock()
	delete(sh.entries, key)
	sh.mu.Unlock()
	return nil
}

// Keys implements [store.Lister]. It copies the keys of one shard at a time.
func (s *Store) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range s.shards {
			for _, key := range s.shards[i].keys() {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// Current reports whether what stands under key still has the version; "" is nothing. So whoever keeps what they made of an
// entry finds out whether it is the newest without reading it again. No version is ever used twice.
func (s *Store) Current(key, version string) bool {
	sh := s.shard(key)
	sh.mu.RLock()
	e, ok := sh.entries[key]
	sh.mu.RUnlock()
	if !ok || expired(e, time.Now()) {
		return version == ""
	}
	return e.Version == version
}

// Ping implements [store.Pinger]. Memory is always there: only an ended context is an error.
func (s *Store) Ping(ctx context.Context) error { return ctx.Err() }

func (s *Store) shard(key string) *shard {
	return &s.shards[maphash.String(s.seed, key)%shards]
}

func (sh *shard) keys() []string {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	now := time.Now()
	keys := make([]string, 0, len(sh.entries))
	for key, e := range sh.entries {
		if !expired(e, now) {
			keys = append(keys, key)
		}
	}
	return keys
}

// sweep drops what has expired. The caller holds the lock.
func (sh *shard) sweep(now time.Time) {
	sh.swept = now
	for key, e := range sh.entries {
		if expired(e, now) {
			delete(sh.entries, key)
		}
	}
}

func expired(e store.Entry, now time.Time) bool {
	return !e.Expires.IsZero() && !now.Before(e.Expires)
}
