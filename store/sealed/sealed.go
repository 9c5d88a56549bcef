package sealed

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ghlogin/ghlogin/store"
)

// Store is a [store.Store] that seals. It is safe for concurrent use, starts no goroutine and needs no
// Close of its own.
//
// It is a [store.Pinger] or a [store.Lister] exactly when the store below is; both pass through, as do
// versions, Expires and the errors of the store below. Get of a value that does not open is an
// [*OpenError]; since it brings no version, nothing can be put over such a value. Delete needs no key.
type Store interface {
	store.Store

	// Reseal seals under the first key whatever another key sealed, and plain values where
	// [WithPlaintextReadable] allows them. It returns how many values it sealed.
	//
	// The store below must be a [store.Lister], or the error matches [errors.ErrUnsupported]. Reseal
	// may run beside readers, writers and other Reseals: it writes by check-and-set, so it never
	// undoes a write, and looks again where somebody else wrote first. What fails is left as it is and
	// reported, and the walk goes on; of many errors the first 20 are kept and the others counted. It
	// ends when ctx does, and gives up after 20 errors of the store below in a row.
	//
	// No error means that each value that stood there before the walk and still does opens under the
	// first key. A replica whose first key is another one may seal more values with that meanwhile.
	Reseal(ctx context.Context) (n int, err error)
}

// Option sets up a [Store].
type Option func(*sealing) error

// WithPlaintextReadable lets Get answer with values that are not sealed, and Reseal seal them, for
// the time in which a store that holds plain values moves to sealed ones. While it is set, whoever
// can write to the store below can plant a value, so take it out afterward.
//
// A plain value that starts with {"sealed": is taken for a sealed one and does not open.
func WithPlaintextReadable() Option {
	return func(s *sealing) error {
		s.plaintextReadable = true
		return nil
	}
}

// New returns a store that keeps its values sealed in inner. The first key seals, every key opens;
// no key, a zero Key and a key given twice are errors, all of them reported at once.
func New(inner store.Store, keys []Key, opts ...Option) (Store, error) {
	s := &sealing{inner: inner, boxes: make(map[string]*box, len(keys))}
	var problems []error
	if inner == nil {
		problems = append(problems, errors.New("sealed: New needs a store.Store to seal, not nil"))
	}
	if len(keys) == 0 {
		problems = append(problems, errors.New("sealed: New needs at least one key; "+makeOne+" and read it with ParseKey"))
	}
	for i, key := range keys {
		switch {
		case key.box == nil:
			problems = append(problems, fmt.Errorf("sealed: key %d of %d is the zero Key; %s and read it with ParseKey", i+1, len(keys), makeOne))
		case s.boxes[key.box.id] != nil:
			problems = append(problems, fmt.Errorf("sealed: key %d of %d has the id %s of a key before it; give each key once", i+1, len(keys), key.box.id))
		default:
			s.boxes[key.box.id] = key.box
		}
	}
	for _, opt := range opts {
		if opt == nil {
			problems = append(problems, errors.New("sealed: New: an option is nil"))
		} else if err := opt(s); err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	s.first = keys[0].box
	return s.withInnersAbilities(), nil
}

// sealing is what every Store of this package is made of.
type sealing struct {
	inner store.Store
	first *box            // Seals.
	boxes map[string]*box // Open, by id; first is among them.

	plaintextReadable bool
}

// withInnersAbilities returns s with the optional interfaces that the store below has, and no other:
// a type assertion must not promise a walk or a ping that would fail.
func (s *sealing) withInnersAbilities() Store {
	pinger, pings := s.inner.(store.Pinger)
	lister, lists := s.inner.(store.Lister)
	switch {
	case pings && lists:
		return struct {
			*sealing
			store.Pinger
			store.Lister
		}{s, pinger, lister}
	case pings:
		return struct {
			*sealing
			store.Pinger
		}{s, pinger}
	case lists:
		return struct {
			*sealing
			store.Lister
		}{s, lister}
	default:
		return s
	}
}

// Format prints nothing of what s holds or is made of, under every verb.
func (s *sealing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed.Store") }

// Get implements [store.Store].
func (s *sealing) Get(ctx context.Context, key string) (store.Entry, error) {
	e, err := s.inner.Get(ctx, key)
	if err != nil {
		return store.Entry{}, err
	}
	if e.Value, _, err = s.open(key, e.Value); err != nil {
		return store.Entry{}, err
	}
	return e, nil
}

// Put implements [store.Store].
func (s *sealing) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	var err error
	if e.Value, err = s.seal(key, e.Value); err != nil {
		return "", err
	}
	return s.inner.Put(ctx, key, e)
}

// Delete implements [store.Store].
func (s *sealing) Delete(ctx context.Context, key string) error {
	return s.inner.Delete(ctx, key)
}

// seal returns plain as it is stored under key.
func (s *sealing) seal(key string, plain []byte) ([]byte, error) {
	return frame{Sealed: format, Key: s.first.id, Box: s.first.seal(plain, key)}.encode()
}

// open returns what value, stored under key, holds, and the id of the key that sealed it: "" if it
// is plain and may be.
func (s *sealing) open(key string, value []byte) (plain []byte, keyID string, err error) {
	f, failed := decode(value)
	if failed != nil {
		if failed.Reason == ReasonPlain && s.plaintextReadable {
			return value, "", nil
		}
		failed.StoreKey = key
		return nil, "", failed
	}
	b, ok := s.boxes[f.Key]
	if !ok {
		return nil, "", &OpenError{Reason: ReasonUnknownKey, StoreKey: key, KeyID: f.Key, Format: format}
	}
	plain, err = b.open(f.Box, key)
	if err != nil {
		return nil, "", &OpenError{Reason: ReasonDamaged, StoreKey: key, KeyID: f.Key, Format: format}
	}
	return plain, f.Key, nil
}
