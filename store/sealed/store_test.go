package sealed_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
	"github.com/ghlogin/ghlogin/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		t.Helper()
		inner, key := memory.New(), newKey(t)
		return func(t *testing.T) store.Store {
			t.Helper()
			return seal(t, inner, key)
		}
	})
}

// During a rotation one replica seals with the old key, and another with the new one.
func TestConformanceWithReplicasThatSealWithDifferentKeys(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		t.Helper()
		inner, a, b := memory.New(), newKey(t), newKey(t)
		return func(t *testing.T) store.Store {
			t.Helper()
			a, b = b, a
			return seal(t, inner, a, b)
		}
	})
}

func TestNothingReadableStandsInTheStoreBelow(t *testing.T) {
	t.Parallel()
	const secret = "ghu_averysecrettoken"
	inner := memory.New()
	put(t, seal(t, inner, newKey(t)), octocat, secret)
	stored := string(get(t, inner, octocat).Value)
	box, err := base64.StdEncoding.DecodeString(between(t, stored, `"box":"`, `"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{stored, string(box)} {
		for _, form := range []string{secret, secret[4:12], hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))[:8]} {
			if strings.Contains(text, form) {
				t.Errorf("the store below holds %q in clear: %s", form, stored)
			}
		}
	}
}

func TestEmptyValueIsSealedToo(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := seal(t, inner, newKey(t))
	put(t, s, octocat, "")
	if stored := get(t, inner, octocat).Value; len(stored) == 0 {
		t.Error("an empty value is stored empty, so anybody could write one")
	}
	if got := get(t, s, octocat).Value; len(got) != 0 {
		t.Errorf("an empty value came back as %d bytes", len(got))
	}
}

func TestOneValueNeverLooksTheSameTwice(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := seal(t, inner, newKey(t))
	put(t, s, octocat, "same")
	first := get(t, inner, octocat)
	if _, err := s.Put(t.Context(), octocat, store.Entry{Value: []byte("same"), Version: first.Version}); err != nil {
		t.Fatal(err)
	}
	if string(first.Value) == string(get(t, inner, octocat).Value) {
		t.Error("one value was sealed to the same text twice: the nonce repeats")
	}
}

func TestVersionAndExpiresPassThrough(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := seal(t, inner, newKey(t))
	expires := time.Now().Add(time.Hour)
	version, err := s.Put(t.Context(), octocat, store.Entry{Value: []byte("v"), Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	for name, st := range map[string]store.Store{"sealed": s, "inner": inner} {
		if e := get(t, st, octocat); e.Version != version || !e.Expires.Equal(expires) {
			t.Errorf("%s: version %q, expires %v; want %q, %v", name, e.Version, e.Expires, version, expires)
		}
	}
}

// Whoever asks for a Pinger or a Lister must get one that works, or none.
func TestOptionalInterfacesAreThoseOfTheStoreBelow(t *testing.T) {
	t.Parallel()
	m := memory.New()
	for name, tt := range map[string]struct {
		inner        store.Store
		pings, lists bool
	}{
		"neither": {struct{ store.Store }{m}, false, false},
		"pinger": {struct {
			store.Store
			store.Pinger
		}{m, m}, true, false},
		"lister": {struct {
			store.Store
			store.Lister
		}{m, m}, false, true},
		"both": {m, true, true},
	} {
		s := seal(t, tt.inner, newKey(t))
		if _, ok := s.(store.Pinger); ok != tt.pings {
			t.Errorf("%s: sealed is a Pinger: %v", name, ok)
		}
		if _, ok := s.(store.Lister); ok != tt.lists {
			t.Errorf("%s: sealed is a Lister: %v", name, ok)
		}
		if _, err := s.Reseal(t.Context()); errors.Is(err, errors.ErrUnsupported) == tt.lists {
			t.Errorf("%s: Reseal = %v", name, err)
		}
	}
}

func TestPingAndKeysAskTheStoreBelow(t *testing.T) {
	t.Parallel()
	s := seal(t, downStore{memory.New()}, newKey(t))
	if err := s.(store.Pinger).Ping(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Ping = %v, want the answer of the store below", err)
	}
	walked := false
	for _, err := range s.(store.Lister).Keys(t.Context()) {
		walked = true
		if !errors.Is(err, errDown) {
			t.Errorf("Keys = %v, want the answer of the store below", err)
		}
	}
	if !walked {
		t.Error("Keys hides the error of the store below")
	}
}

func TestNewReportsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for name, tt := range map[string]struct {
		inner store.Store
		keys  []sealed.Key
		opts  []sealed.Option
		want  []string
	}{
		"no store and no key": {nil, nil, nil, []string{"store.Store", "openssl rand -base64 32"}},
		"zero key":            {memory.New(), []sealed.Key{key, {}}, nil, []string{"key 2 of 2 is the zero Key", "openssl rand -base64 32"}},
		"key twice":           {memory.New(), []sealed.Key{key, key}, nil, []string{key.ID()}},
		"nil option":          {memory.New(), []sealed.Key{key}, []sealed.Option{nil}, []string{"option is nil"}},
	} {
		s, err := sealed.New(tt.inner, tt.keys, tt.opts...)
		if err == nil || s != nil {
			t.Errorf("%s: New = %v, %v, want an error", name, s, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error says nothing of %q: %v", name, want, err)
			}
		}
	}
}
