// Package storetest checks a [store.Store] against its contract, one subtest a sentence.
//
// A backend's test is a few lines:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Open {
//			backend := startBackend(t)
//			return func(t *testing.T) store.Store { return connect(t, backend) }
//		})
//	}
//
// Run it with the race detector. Package storetest imports testing and is for tests alone.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

// Open returns a handle to one backend. Each call stands for another process: handles share what is
// stored and, where the backend allows it, nothing else. Handles are closed by t.Cleanup.
type Open func(t *testing.T) store.Store

// Run checks the store that newBackend makes. It calls newBackend once a subtest, each time for a
// backend (or a part of one) that is empty and nobody else's. Subtests run in parallel.
func Run(t *testing.T, newBackend func(t *testing.T) Open) {
	t.Helper()
	for _, c := range contract {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.check(t, newBackend(t))
		})
	}
}

const key = "github.com/583231"

// contract lists the sentences of the comments in package store, in their order.
var contract = []struct {
	sentence string
	check    func(t *testing.T, open Open)
}{
	{"Get of an absent key is ErrNotFound", getAbsent},
	{"Get returns what Put wrote", roundTrip},
	{"values of every byte and of 64 KiB survive", anyBytes},
	{"keys of every allowed form stand apart", keysApart},
	{"a version is never empty and changes with every Put", versionsChange},
	{"an entry stays until its Expires", staysUntilExpires},
	{"the entry is the caller's", entryIsCallers},
	{"the store keeps no reference to Value", noReferenceKept},
	{"Get never lags behind this handle's own Put", readsOwnWrites},
	{"Put with no version needs nothing there", putNeedsNothing},
	{"Put with a version needs that version there", putNeedsVersion},
	{"Put with a version of an absent key is ErrConflict", putVersionAbsent},
	{"a Put that conflicts writes nothing", conflictWritesNothing},
	{"of concurrent Puts on one version one takes effect", oneWinner},
	{"of concurrent first Puts one takes effect", oneFirst},
	{"two handles see one backend", twoHandles},
	{"lost updates do not happen across handles", noLostUpdates},
	{"Delete leaves nothing", deleteLeavesNothing},
	{"Delete of an absent key is no error", deleteAbsent},
	{"an ended context ends every call", endedContext},
	{"Keys yields every key once", keysYieldsAll},
	{"Keys ends when the caller has seen enough", keysEndsEarly},
	{"Ping of a working store is nil", pingWorks},
}

func getAbsent(t *testing.T, open Open) {
	_, err := open(t).Get(t.Context(), key)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get = %v, want ErrNotFound", err)
	}
}

func roundTrip(t *testing.T, open Open) {
	s := open(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	version := put(t, s, key, store.Entry{Value: []byte("value"), Expires: expires})
	e := get(t, s, key)
	if string(e.Value) != "value" || e.Version != version {
		t.Errorf("Get = %q at version %q, want %q at %q", e.Value, e.Version, "value", version)
	}
	if !e.Expires.IsZero() && !e.Expires.Equal(expires) {
		t.Errorf("Get's Expires = %v, want %v, or zero where the backend keeps none", e.Expires, expires)
	}
}

func anyBytes(t *testing.T, open Open) {
	s := open(t)
	value := make([]byte, 64<<10)
	for i := range value {
		value[i] = byte(i)
	}
	version := put(t, s, key, store.Entry{Value: value})
	if e := get(t, s, key); !bytes.Equal(e.Value, value) {
		t.Error("a value of 64 KiB with every byte in it came back changed")
	}
	put(t, s, key, store.Entry{Version: version})
	if e := get(t, s, key); len(e.Value) != 0 {
		t.Errorf("an empty value came back as %d bytes", len(e.Value))
	}
}

func keysApart(t *testing.T, open Open) {
	s := open(t)
	keys := []string{
		"github.com/1", "github.com/11", "github.com/1/1", "GitHub.com/1", "a.b-c_d:8443/1",
		"github.com/9223372036854775807", string(bytes.Repeat([]byte("k"), 255)),
	}
	for _, k := range keys {
		put(t, s, k, store.Entry{Value: []byte(k)})
	}
	for _, k := range keys {
		if e := get(t, s, k); string(e.Value) != k {
			t.Errorf("under %q stands the value of %q", k, e.Value)
		}
	}
}

func versionsChange(t *testing.T, open Open) {
	s := open(t)
	seen := map[string]bool{"": true}
	version := ""
	for range 5 {
		version = put(t, s, key, store.Entry{Value: []byte("same"), Version: version})
		if seen[version] {
			t.Fatalf("Put returned version %q, which is empty or was there before", version)
		}
		seen[version] = true
	}
}

func staysUntilExpires(t *testing.T, open Open) {
	s := open(t)
	put(t, s, key, store.Entry{Value: []byte("v"), Expires: time.Now().Add(time.Hour)})
	put(t, s, key+"1", store.Entry{Value: []byte("v")})
	get(t, s, key)
	get(t, s, key+"1")
}

func entryIsCallers(t *testing.T, open Open) {
	s := open(t)
	put(t, s, key, store.Entry{Value: []byte("value")})
	clear(get(t, s, key).Value)
	if e := get(t, s, key); string(e.Value) != "value" {
		t.Errorf("changing a value that Get returned changed the store: %q", e.Value)
	}
}

func noReferenceKept(t *testing.T, open Open) {
	s := open(t)
	value := []byte("value")
	put(t, s, key, store.Entry{Value: value})
	clear(value)
	if e := get(t, s, key); string(e.Value) != "value" {
		t.Errorf("changing a value after Put changed the store: %q", e.Value)
	}
}

func readsOwnWrites(t *testing.T, open Open) {
	s := open(t)
	version := ""
	for i := range 50 {
		want := fmt.Sprint(i)
		version = put(t, s, key, store.Entry{Value: []byte(want), Version: version})
		if e := get(t, s, key); string(e.Value) != want || e.Version != version {
			t.Fatalf("Get after own Put = %q at %q, want %q at %q", e.Value, e.Version, want, version)
		}
	}
}

func putNeedsNothing(t *testing.T, open Open) {
	s := open(t)
	put(t, s, key, store.Entry{Value: []byte("first")})
	wantConflict(t, s, store.Entry{Value: []byte("second")})
}

func putNeedsVersion(t *testing.T, open Open) {
	s := open(t)
	old := put(t, s, key, store.Entry{Value: []byte("first")})
	put(t, s, key, store.Entry{Value: []byte("second"), Version: old})
	wantConflict(t, s, store.Entry{Value: []byte("third"), Version: old})
}

func putVersionAbsent(t *testing.T, open Open) {
	s := open(t)
	version := put(t, s, key+"1", store.Entry{Value: []byte("elsewhere")})
	wantConflict(t, s, store.Entry{Value: []byte("v"), Version: version})
}

func conflictWritesNothing(t *testing.T, open Open) {
	s := open(t)
	old := put(t, s, key, store.Entry{Value: []byte("first")})
	version := put(t, s, key, store.Entry{Value: []byte("second"), Version: old})
	wantConflict(t, s, store.Entry{Value: []byte("third"), Version: old})
	if e := get(t, s, key); string(e.Value) != "second" || e.Version != version {
		t.Errorf("after a conflict Get = %q at %q, want %q at %q", e.Value, e.Version, "second", version)
	}
}

func oneWinner(t *testing.T, open Open) {
	handles := []store.Store{open(t), open(t)}
	old := put(t, handles[0], key, store.Entry{Value: []byte("start")})
	race(t, handles, old)
}

func oneFirst(t *testing.T, open Open) {
	race(t, []store.Store{open(t), open(t)}, "")
}

// race lets many writers name one version and wants one winner, whose value stands.
func race(t *testing.T, handles []store.Store, version string) {
	t.Helper()
	const writers = 16
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		winners []string
	)
	for i := range writers {
		wg.Go(func() {
			value := fmt.Sprintf("writer %d", i)
			_, err := handles[i%len(handles)].Put(t.Context(), key, store.Entry{Value: []byte(value), Version: version})
			switch {
			case err == nil:
				mu.Lock()
				winners = append(winners, value)
				mu.Unlock()
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("Put of a loser = %v, want ErrConflict", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d of %d Puts on one version took effect, want 1", len(winners), writers)
	}
	if e := get(t, handles[0], key); string(e.Value) != winners[0] {
		t.Errorf("Get = %q, want the winner's value %q", e.Value, winners[0])
	}
}

func twoHandles(t *testing.T, open Open) {
	a, b := open(t), open(t)
	version := put(t, a, key, store.Entry{Value: []byte("from a")})
	put(t, b, key, store.Entry{Value: []byte("from b"), Version: version})
	if err := b.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete = %v", err)
	}
	put(t, a, key, store.Entry{Value: []byte("again")})
}

func noLostUpdates(t *testing.T, open Open) {
	handles := []store.Store{open(t), open(t)}
	put(t, handles[0], key, store.Entry{})
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			s := handles[i%len(handles)]
			for done := 0; done < each; {
				e, err := s.Get(t.Context(), key)
				if err != nil {
					t.Errorf("Get = %v", err)
					return
				}
				e.Value = append(e.Value, 'x')
				switch _, err := s.Put(t.Context(), key, e); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Put = %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e := get(t, handles[0], key); len(e.Value) != writers*each {
		t.Errorf("%d of %d updates are left", len(e.Value), writers*each)
	}
}

func deleteLeavesNothing(t *testing.T, open Open) {
	s := open(t)
	version := put(t, s, key, store.Entry{Value: []byte("v")})
	put(t, s, key, store.Entry{Value: []byte("w"), Version: version})
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete = %v", err)
	}
	getAbsent(t, func(*testing.T) store.Store { return s })
	put(t, s, key, store.Entry{Value: []byte("made anew")})
}

func deleteAbsent(t *testing.T, open Open) {
	if err := open(t).Delete(t.Context(), key); err != nil {
		t.Errorf("Delete of an absent key = %v", err)
	}
}

func endedContext(t *testing.T, open Open) {
	s := open(t)
	version := put(t, s, key, store.Entry{Value: []byte("v")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, key)
	_, putErr := s.Put(ctx, key, store.Entry{Value: []byte("w"), Version: version})
	for name, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": s.Delete(ctx, key)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context = %v, want context.Canceled", name, err)
		}
	}
	get(t, s, key)
}

func keysYieldsAll(t *testing.T, open Open) {
	s := open(t)
	lister, ok := s.(store.Lister)
	if !ok {
		t.Skip("the store is no Lister, which the contract leaves open")
	}
	var want []string
	for i := range 100 {
		k := fmt.Sprintf("github.com/%d", i)
		want = append(want, k)
		put(t, s, k, store.Entry{Value: []byte("v")})
	}
	var got []string
	for k, err := range lister.Keys(t.Context()) {
		if err != nil {
			t.Fatalf("Keys = %v", err)
		}
		get(t, s, k) // A walk holds no lock against its own body.
		got = append(got, k)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("Keys yielded %d keys, want %d, each once", len(got), len(want))
	}
}

func keysEndsEarly(t *testing.T, open Open) {
	s := open(t)
	lister, ok := s.(store.Lister)
	if !ok {
		t.Skip("the store is no Lister, which the contract leaves open")
	}
	put(t, s, key, store.Entry{Value: []byte("v")})
	put(t, s, key+"1", store.Entry{Value: []byte("v")})
	seen := 0
	for _, err := range lister.Keys(t.Context()) {
		if err != nil {
			t.Fatalf("Keys = %v", err)
		}
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("a walk that was left after one key saw %d", seen)
	}
}

func pingWorks(t *testing.T, open Open) {
	pinger, ok := open(t).(store.Pinger)
	if !ok {
		t.Skip("the store is no Pinger, which the contract leaves open")
	}
	if err := pinger.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
}

func wantConflict(t *testing.T, s store.Store, e store.Entry) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, e); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put = %v, want ErrConflict", err)
	}
}

func put(t *testing.T, s store.Store, key string, e store.Entry) string {
	t.Helper()
	version, err := s.Put(t.Context(), key, e)
	if err != nil {
		t.Fatalf("Put(%q) = %v", key, err)
	}
	return version
}

func get(t *testing.T, s store.Store, key string) store.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%q) = %v", key, err)
	}
	return e
}
