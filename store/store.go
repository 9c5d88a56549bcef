// Package store is the contract between the library and whatever keeps its users' grants: bytes
// under a key, swapped by version.
//
// The contract is small on purpose. A store author writes three methods and gets safety across a
// fleet, because everything that replicas must agree on, the refresh lease included, is a field of
// the value and moves by [Store.Put]. Package storetest checks a store against each sentence of the
// contract. Backends stand in the folders below.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// Errors that a [Store] answers with. Callers find them with [errors.Is]; a store may wrap them.
//
// Every other error means that the store could not be asked, or could not answer: callers take it
// for an outage, never for an empty store.
var (
	// ErrNotFound says that nothing stands under the key.
	ErrNotFound = errors.New("store: nothing under this key")

	// ErrConflict says that a Put found another version than the one it named, and wrote nothing.
	ErrConflict = errors.New("store: the entry was changed by another writer")
)

// Entry is one value with what guards it.
type Entry struct {
	// Value is opaque to the store. It holds tokens: a store neither logs nor inspects it.
	Value []byte

	// Version names this state of the entry. It is opaque to callers, is never "" for an entry that
	// exists, and changes with every Put that takes effect. Only equality has a meaning.
	Version string

	// Expires is when a store may drop the entry; zero means never. Until then the entry stays. It
	// is a chance to free space, not a promise to hide: Get may still answer with a dead entry.
	Expires time.Time
}

// Format prints e without its value, under every verb, for the sake of logs.
func (e Entry) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{%d bytes, version %q, expires %v}", len(e.Value), e.Version, e.Expires)
}

// LogValue is what Format prints, for handlers of log/slog that write JSON.
func (e Entry) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(e))
}

// Store keeps entries under keys. It is safe for concurrent use.
//
// A key is at most 255 bytes of ASCII letters, digits, '.', '-', '_' and ':', in segments separated by
// single slashes, for example "github.com/583231". Callers build keys from a host name and a number,
// never from what a request says.
//
// Every method respects its context: when that ends, the call returns its error soon. A Put whose
// answer got lost may have taken effect; the caller reads back to find out.
type Store interface {
	// Get returns the entry under key, or ErrNotFound.
	//
	// The entry is the caller's: changing its Value changes nothing in the store. On a backend with
	// replicas a Get may lag behind other writers' Puts, but never behind this handle's own.
	Get(ctx context.Context, key string) (Entry, error)

	// Put writes Value and Expires under key and returns the new version, if what stands there now
	// has e.Version; an empty e.Version means that nothing must stand there. Otherwise it returns
	// ErrConflict and writes nothing. Of any number of concurrent Puts that name one version, at
	// most one takes effect.
	//
	// The store keeps no reference to Value after Put returns. After Put no older value can be read
	// back by any means.
	Put(ctx context.Context, key string, e Entry) (version string, err error)

	// Delete removes every trace of key, its history too. An absent key is no error.
	//
	// Versions may start over after Delete, so a stalled writer could hit a newer entry by its
	// number alone. Callers therefore forget by a Put of an empty value, and Delete only what is
	// older than any writer can be.
	Delete(ctx context.Context, key string) error
}

// Pinger is a [Store] that can tell whether it is reachable and set up as it must be.
type Pinger interface {
	// Ping returns nil if a Get and a Put could work now, or an error that says what to change.
	Ping(ctx context.Context) error
}

// Lister is a [Store] that can walk its keys, for upkeep such as sealing anew or sweeping.
type Lister interface {
	// Keys yields every key that stands in the store from before the walk until its end, in no
	// certain order; keys that come or go meanwhile may or may not be seen. On an error it yields
	// ("", err) once and ends. Get, Put and Delete may be called during the walk.
	Keys(ctx context.Context) iter.Seq2[string, error]
}
