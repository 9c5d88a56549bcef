package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// sessionStore keeps our own scs sessions in memory. It takes the place of scs's memstore, which
// keeps a goroutine that can't be ended without a data race.
type sessionStore struct{ entries *memory.Store }

// Find implements scs.Store.
func (s sessionStore) Find(token string) ([]byte, bool, error) {
	e, err := s.entries.Get(context.Background(), token)
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	return e.Value, err == nil, err
}

// Commit implements scs.Store.
func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	ctx := context.Background()
	for {
		e, err := s.entries.Get(ctx, token)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		_, err = s.entries.Put(ctx, token, store.Entry{Value: b, Version: e.Version, Expires: expiry})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Delete implements scs.Store.
func (s sessionStore) Delete(token string) error {
	return s.entries.Delete(context.Background(), token)
}
