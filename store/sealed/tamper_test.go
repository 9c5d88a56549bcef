package sealed_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
)

// A writer to the backend copies their own grant over another user's.
func TestValueMovedToAnotherUsersKeyDoesNotOpen(t *testing.T) {
	t.Parallel()
	inner, key := memory.New(), newKey(t)
	s := seal(t, inner, key)
	put(t, s, octocat, "mine")
	for _, other := range []string{"github.com/1", "github.com/5832311", "github.com/58323", "github.co/m/583231"} {
		put(t, inner, other, string(get(t, inner, octocat).Value))
		if failed := wantOpenError(t, s, other, sealed.ReasonDamaged); failed.KeyID != key.ID() {
			t.Errorf("the error names key %q, want %q", failed.KeyID, key.ID())
		}
	}
}

func TestValueWithAnyBitFlippedDoesNotOpen(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := seal(t, inner, newKey(t), newKey(t))
	put(t, s, octocat, "a token")
	good := get(t, inner, octocat).Value
	for i := range good {
		for bit := range 8 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1 << bit
			overwrite(t, inner, octocat, bad)
			wantNoOpen(t, s, bad)
		}
	}
	overwrite(t, inner, octocat, good)
	if got := get(t, s, octocat).Value; string(got) != "a token" {
		t.Errorf("the value as it was opens as %q", got)
	}
}

func TestValueCutShortOrMadeLongerDoesNotOpen(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := seal(t, inner, newKey(t))
	put(t, s, octocat, "a token")
	good := string(get(t, inner, octocat).Value)
	box := between(t, good, `"box":"`, `"}`)
	bad := []string{
		good + "\n", " " + good, good + good, good + "x", // Around the frame.
		strings.Replace(good, `,`, `, `, 1),                        // Another way to write it.
		strings.Replace(good, `"box"`, `"more":1,"box"`, 1),        // A field nobody knows.
		strings.Replace(good, `"box"`, `"box":"","box"`, 1),        // A field twice.
		strings.Replace(good, box, "", 1),                          // No box.
		strings.Replace(good, box, box[:16], 1),                    // A nonce alone.
		strings.Replace(good, box, box[4:], 1),                     // Its begin gone.
		strings.Replace(good, box, box[:len(box)-4], 1),            // Its end gone.
		strings.Replace(good, box, box[:len(box)-4]+"AAAA", 1),     // Its end changed.
		strings.Replace(good, `"key":"`, `"key":"00", "key":"`, 1), // A key id twice.
	}
	for n := range len(good) {
		bad = append(bad, good[:n])
	}
	for _, value := range bad {
		overwrite(t, inner, octocat, []byte(value))
		wantNoOpen(t, s, []byte(value))
	}
}

func wantNoOpen(t *testing.T, s store.Store, stored []byte) {
	t.Helper()
	_, err := s.Get(t.Context(), octocat)
	var failed *sealed.OpenError
	if !errors.As(err, &failed) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get = %v, want an OpenError, for %q", err, stored)
	}
}

func TestValueOfAnotherKeyDoesNotOpenEvenUnderItsId(t *testing.T) {
	t.Parallel()
	inner, mine, theirs := memory.New(), newKey(t), newKey(t)
	put(t, seal(t, inner, theirs), octocat, "planted")
	relabeled := strings.Replace(string(get(t, inner, octocat).Value), theirs.ID(), mine.ID(), 1)
	overwrite(t, inner, octocat, []byte(relabeled))
	wantOpenError(t, seal(t, inner, mine, theirs), octocat, sealed.ReasonDamaged)
}

func TestOldKeyOpensAndTheFirstKeySeals(t *testing.T) {
	t.Parallel()
	inner, old, young := memory.New(), newKey(t), newKey(t)
	put(t, seal(t, inner, old), octocat, "sealed long ago")
	s := seal(t, inner, young, old)
	e := get(t, s, octocat)
	if string(e.Value) != "sealed long ago" {
		t.Errorf("the old key opens %q", e.Value)
	}
	if _, err := s.Put(t.Context(), octocat, e); err != nil {
		t.Fatal(err)
	}
	if got := get(t, seal(t, inner, young), octocat); string(got.Value) != "sealed long ago" {
		t.Errorf("the first key did not seal: %q", got.Value)
	}
}

func TestDroppedKeyIsNamedAndItsValuesAreNotOverwritten(t *testing.T) {
	t.Parallel()
	inner, old, young := memory.New(), newKey(t), newKey(t)
	put(t, seal(t, inner, old), octocat, "sealed long ago")
	s := seal(t, inner, young)
	failed := wantOpenError(t, s, octocat, sealed.ReasonUnknownKey)
	if failed.KeyID != old.ID() || !strings.Contains(failed.Error(), old.ID()) {
		t.Errorf("%v does not name the key %s that is missing", failed, old.ID())
	}
	if _, err := s.Put(t.Context(), octocat, store.Entry{Value: []byte("new")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put over a value that does not open = %v, want ErrConflict", err)
	}
	if got := get(t, seal(t, inner, young, old), octocat); string(got.Value) != "sealed long ago" {
		t.Errorf("with the key back the value is %q", got.Value)
	}
	if err := s.Delete(t.Context(), octocat); err != nil {
		t.Errorf("Delete of a value whose key is lost = %v", err)
	}
	put(t, s, octocat, "signed in again")
}

// A newer version of the library wrote this; an older replica is still running.
func TestUnknownFormatIsAnErrorAndNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := sealOverPlain(t, inner, newKey(t))
	for _, stored := range []string{`{"sealed":2,"key":"9f86d081","box":"AAAA"}`, `{"sealed":2,"nonce":[1,2]}`} {
		overwrite(t, inner, octocat, []byte(stored))
		if failed := wantOpenError(t, s, octocat, sealed.ReasonFormat); failed.Format != 2 {
			t.Errorf("the error names format %d, want 2", failed.Format)
		}
		if n, err := s.Reseal(t.Context()); n != 0 || err == nil {
			t.Errorf("Reseal = %d, %v, want an error", n, err)
		}
		if _, err := s.Put(t.Context(), octocat, store.Entry{}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Put = %v, want ErrConflict", err)
		}
		if got := string(get(t, inner, octocat).Value); got != stored {
			t.Errorf("%s was overwritten by %s", stored, got)
		}
	}
}

func TestPlainValueIsReadableOnlyWhereItWasAskedFor(t *testing.T) {
	t.Parallel()
	inner, key := memory.New(), newKey(t)
	for _, plain := range []string{`{"format":1}`, "text", ""} {
		overwrite(t, inner, octocat, []byte(plain))
		wantOpenError(t, seal(t, inner, key), octocat, sealed.ReasonPlain)
		if got := get(t, sealOverPlain(t, inner, key), octocat); string(got.Value) != plain || got.Version == "" {
			t.Errorf("Get = %q at version %q, want %q", got.Value, got.Version, plain)
		}
	}
}

// Whatever stands in the store below, Get gives back what was sealed there, or an OpenError; and
// where plain values are readable, those as they are.
func FuzzOpen(f *testing.F) {
	key := newKey(f)
	sealing := memory.New()
	put(f, seal(f, sealing, key), octocat, "a token")
	good := get(f, sealing, octocat).Value
	for _, seed := range []string{
		string(good), string(good[:len(good)/2]), "", "{}", `{"sealed":1}`, `{"sealed":2}`, `{"sealed":-1}`, `{"sealed":1e9}`, `{"sealed":null}`,
		`{"sealed":1,"key":"` + key.ID() + `","box":""}`, `{"sealed":1,"key":"` + key.ID() + `","box":"AAAA"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		inner := memory.New()
		put(t, inner, octocat, string(stored))
		strict, strictErr := seal(t, inner, key).Get(t.Context(), octocat)
		lenient, lenientErr := sealOverPlain(t, inner, key).Get(t.Context(), octocat)
		if bytes.Equal(stored, good) {
			if string(strict.Value) != "a token" || string(lenient.Value) != "a token" {
				t.Fatalf("what was sealed opens as %q, %v and %q, %v", strict.Value, strictErr, lenient.Value, lenientErr)
			}
			return
		}
		var failed *sealed.OpenError
		if !errors.As(strictErr, &failed) {
			t.Fatalf("Get = %q, %v for a value that was never sealed: %q", strict.Value, strictErr, stored)
		}
		if (failed.Reason == sealed.ReasonPlain) != (lenientErr == nil) {
			t.Fatalf("%v, but with plain values readable: %v", strictErr, lenientErr)
		}
		if lenientErr == nil && !bytes.Equal(lenient.Value, stored) {
			t.Fatalf("the plain value %q came back as %q", stored, lenient.Value)
		}
	})
}
