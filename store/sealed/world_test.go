package sealed_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/sealed"
)

const octocat = "github.com/583231"

var errDown = errors.New("the store below is down")

// downStore answers pings and walks with errDown.
type downStore struct{ store.Store }

func (downStore) Ping(context.Context) error { return errDown }

func (downStore) Keys(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", errDown) }
}

func newKey(tb testing.TB) sealed.Key {
	tb.Helper()
	key, err := sealed.NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func seal(tb testing.TB, inner store.Store, keys ...sealed.Key) sealed.Store {
	tb.Helper()
	s, err := sealed.New(inner, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func sealOverPlain(tb testing.TB, inner store.Store, keys ...sealed.Key) sealed.Store {
	tb.Helper()
	s, err := sealed.New(inner, keys, sealed.WithPlaintextReadable())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// put writes value under a key where nothing stands.
func put(tb testing.TB, s store.Store, key, value string) {
	tb.Helper()
	if _, err := s.Put(tb.Context(), key, store.Entry{Value: []byte(value)}); err != nil {
		tb.Fatalf("Put(%q) = %v", key, err)
	}
}

// overwrite writes value over whatever stands under key.
func overwrite(tb testing.TB, s store.Store, key string, value []byte) {
	tb.Helper()
	if err := s.Delete(tb.Context(), key); err != nil {
		tb.Fatal(err)
	}
	put(tb, s, key, string(value))
}

func get(tb testing.TB, s store.Store, key string) store.Entry {
	tb.Helper()
	e, err := s.Get(tb.Context(), key)
	if err != nil {
		tb.Fatalf("Get(%q) = %v", key, err)
	}
	return e
}

// wantOpenError wants Get to say that a value is there and why it does not open.
func wantOpenError(tb testing.TB, s store.Store, key string, reason sealed.Reason) *sealed.OpenError {
	tb.Helper()
	e, err := s.Get(tb.Context(), key)
	var failed *sealed.OpenError
	if !errors.As(err, &failed) {
		tb.Fatalf("Get(%q) = %v, want an OpenError", key, err)
	}
	if failed.Reason != reason || failed.StoreKey != key {
		tb.Errorf("Get(%q) = %+v, want the reason %q and the store key", key, *failed, reason)
	}
	if errors.Is(err, store.ErrNotFound) {
		tb.Errorf("Get(%q) = %v reads as an absent grant", key, err)
	}
	if len(e.Value) != 0 || e.Version != "" {
		tb.Errorf("Get(%q) brings %v with an error: a caller could write over it", key, e)
	}
	return failed
}

func between(tb testing.TB, text, before, after string) string {
	tb.Helper()
	_, rest, found := strings.Cut(text, before)
	part, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		tb.Fatalf("nothing stands between %q and %q in %q", before, after, text)
	}
	return part
}
