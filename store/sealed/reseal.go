package sealed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

const (
	// resealTimeout bounds the work on one value. A version is only good for a while, since versions
	// may start over after Delete: a Reseal that was paused for days must not write by one it read
	// before.
	resealTimeout = 30 * time.Second

	// resealTries is how often a value is looked at while others keep writing it.
	resealTries = 5

	// resealFaults is how many errors of the store below in a row end the walk: with it away each key would wait
	// for a timeout of its own.
	resealFaults = 20

	// resealErrors is how many errors Reseal keeps. With a wrong key every value fails, and a message
	// of a million lines helps nobody.
	resealErrors = 20
)

// Reseal implements [Store].
func (s *sealing) Reseal(ctx context.Context) (n int, err error) {
	lister, ok := s.inner.(store.Lister)
	if !ok {
		return 0, fmt.Errorf("sealed: Reseal walks the keys, and %T is no store.Lister: %w", s.inner, errors.ErrUnsupported)
	}
	var failed failures
	faults := 0 // In a row.
	for key, err := range lister.Keys(ctx) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			failed.add(fmt.Errorf("sealed: the walk over the keys broke off; run Reseal again: %w", err))
			break
		}
		done, err := s.resealOne(ctx, key)
		if done {
			n++
		}
		if err != nil && ctx.Err() == nil {
			failed.add(err)
		}
		if !isFault(err) {
			faults = 0
		} else if faults++; faults == resealFaults {
			return n, errors.Join(failed.join(), errors.New("sealed: the store below fails again and again; run Reseal again when it is well"))
		}
	}
	if err := ctx.Err(); err != nil {
		return n, errors.Join(failed.join(), fmt.Errorf("sealed: Reseal was cut off; run it again: %w", err))
	}
	return n, failed.join()
}

// isFault says whether err is of the store below, and not of a value.
func isFault(err error) bool {
	_, value := errors.AsType[*OpenError](err)
	return err != nil && !value && !errors.Is(err, store.ErrConflict)
}

// resealOne reports whether it sealed the value under key anew.
func (s *sealing) resealOne(ctx context.Context, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, resealTimeout)
	defer cancel()
	for range resealTries {
		e, err := s.inner.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("sealed: reading %q to seal it anew: %w", key, err)
		}
		plain, keyID, err := s.open(key, e.Value)
		if err != nil {
			return false, err
		}
		if keyID == s.first.id {
			return false, nil
		}
		if e.Value, err = s.seal(key, plain); err != nil {
			return false, err
		}
		_, err = s.inner.Put(ctx, key, e)
		if err == nil {
			return true, nil
		}
		// After a conflict the other writer's value counts. As a rule the first key sealed that, but a
		// replica with other keys may have been the writer, so it is looked at, too.
		if !errors.Is(err, store.ErrConflict) {
			return false, fmt.Errorf("sealed: writing %q sealed anew: %w", key, err)
		}
	}
	return false, fmt.Errorf("sealed: %q was changed by other writers, with other keys, again and again; give all replicas the same first key and run Reseal again: %w", key, store.ErrConflict)
}

// failures keeps the first errors and counts the others. The zero value is ready to use.
type failures struct {
	kept []error
	more int
}

func (f *failures) add(err error) {
	if len(f.kept) == resealErrors {
		f.more++
		return
	}
	f.kept = append(f.kept, err)
}

func (f *failures) join() error {
	if f.more > 0 {
		return errors.Join(append(f.kept, fmt.Errorf("sealed: and %d more values failed", f.more))...)
	}
	return errors.Join(f.kept...)
}
