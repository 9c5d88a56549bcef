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
type sessionStore struct {
	entries *memory.Store

	// idle is after how long without a request a session is over; 0 is never. It is not scs's IdleTimeout, which saves the
	// session and sends its cookie with each response, and so brings one back that ended meanwhile.
	idle time.Duration
	used *memory.Store // By token, until when it may be idle.
}

func newSessionStore(idle time.Duration) sessionStore {
	return sessionStore{entries: memory.New(), idle: idle, used: memory.New()}
}

// Find implements scs.Store.
func (s sessionStore) Find(token string) ([]byte, bool, error) {
	ctx := context.Background()
	e, err := s.entries.Get(ctx, token)
	if err == nil && s.idle > 0 {
		err = s.use(ctx, token)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	return e.Value, err == nil, err
}

// use notes that a session is in use, or finds that it was not for too long. An eighth of the time is not noted.
func (s sessionStore) use(ctx context.Context, token string) error {
	mark, err := s.used.Get(ctx, token)
	if err != nil || time.Until(mark.Expires) > s.idle-s.idle/8 {
		return err
	}
	_, err = s.used.Put(ctx, token, store.Entry{Version: mark.Version, Expires: time.Now().Add(s.idle)})
	if errors.Is(err, store.ErrConflict) {
		return nil // Another request of the same browser noted it.
	}
	return err
}

// Commit implements scs.Store.
func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	ctx := context.Background()
	if s.idle > 0 {
		if err := put(ctx, s.used, token, store.Entry{Expires: time.Now().Add(s.idle)}); err != nil {
			return err
		}
	}
	return put(ctx, s.entries, token, store.Entry{Value: b, Expires: expiry})
}

// put writes over whatever is there.
func put(ctx context.Context, in *memory.Store, key string, e store.Entry) error {
	for {
		now, err := in.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		e.Version = now.Version
		if _, err = in.Put(ctx, key, e); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Delete implements scs.Store.
func (s sessionStore) Delete(token string) error {
	ctx := context.Background()
	return errors.Join(s.used.Delete(ctx, token), s.entries.Delete(ctx, token))
}
