package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

// storeTimeout bounds one call of the store.
const storeTimeout = 5 * time.Second

// lookupNow returns the grant as it stands in the store now, that is at some moment after the call; in an
// outage, as it was when it was last seen.
//
// All who ask at once share one read. A read that was under way before tells nothing of what came since, so
// it is waited for, and another one made.
func (m *Manager) lookupNow(ctx context.Context, userID int64) (*record, error) {
	m.cache.misses.Add(1)
	if m.cache.isCurrent != nil {
		r, _, err := m.get(ctx, userID)
		m.cache.failed(err)
		return r, err
	}
	key := m.key(userID)
	for since := m.order.Load(); ; {
		flight := m.reads.DoChan(key, func() (any, error) {
			// One caller's hang-up must not fail the others, nor pass for an outage.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			m.cache.asking(userID)
			answer := sharedRead{order: m.order.Add(1)}
			answer.record, _, answer.err = m.get(ctx, userID)
			if _, away := errors.AsType[*StoreError](answer.err); away {
				if kept, ok := m.cache.despiteOutage(userID); ok {
					answer.record, answer.err = kept, nil
				}
			}
			return answer, nil
		})
		select {
		case res := <-flight:
			answer, ok := res.Val.(sharedRead)
			if ok && answer.order > since {
				m.cache.failed(answer.err)
				return answer.record, answer.err
			}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) { // The app's patience ended before the store's time did.
				return nil, &StoreError{Op: "get", Err: ctx.Err()}
			}
			return nil, fmt.Errorf("grant: waiting for the store: %w", ctx.Err())
		}
	}
}

type sharedRead struct {
	order  uint64
	record *record
	err    error
}

// get returns the grant of a user as it is stored, with its version. No grant is an empty record with
// version "".
func (m *Manager) get(ctx context.Context, userID int64) (*record, string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	key, order, asked := m.key(userID), m.order.Add(1), time.Now()
	e, err := m.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		r := &record{}
		m.cache.put(userID, remembered{record: r, key: key, at: asked, order: order})
		return r, "", nil
	}
	if err != nil {
		return nil, "", &StoreError{Op: "get", Err: err}
	}
	r, err := decode(e.Value)
	if err == nil {
		m.cache.put(userID, remembered{record: r, key: key, version: e.Version, at: asked, order: order})
	}
	return r, e.Version, err
}

// put writes r over version, and returns the version that it then has.
func (m *Manager) put(ctx context.Context, userID int64, r *record, version string) (string, error) {
	value, err := r.encode()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	key, began, asked := m.key(userID), m.order.Add(1), time.Now()
	next, err := m.store.Put(ctx, key, store.Entry{Value: value, Version: version, Expires: r.expires(m.keepTokens)})
	ended := m.order.Add(1) // A read that began before may have been answered before.
	if err == nil {
		m.cache.putWritten(userID, remembered{record: r, key: key, version: next, at: asked, order: ended}, version, began)
		return next, nil
	}
	m.cache.doubt(userID, ended)
	if !errors.Is(err, store.ErrConflict) {
		return "", &StoreError{Op: "put", Err: err}
	}
	return "", err
}

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("grant: nothing to change")

// update reads a user's grant, has change work on a copy, and writes that back, again and again until no
// other writer comes between. It returns the record as it is then. If change returns errUnchanged nothing is
// written, and that is no error; any other ends the update.
//
// again tells change that a Put of this update has counted, or went unanswered and may have, and that somebody has written
// since: it may have been undone.
//
// Whatever a refresh does not write goes through here, so every change to a grant says in one func what must
// still be true of it.
func (m *Manager) update(ctx context.Context, userID int64, change func(r *record, again bool) error) (*record, error) {
	writeID := rand.Text() + "@" // And the version that is written over: see [rotation.writeID].
	unanswered, over := false, ""
	for try := 0; ; try++ {
		now, version, err := m.get(ctx, userID)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(now.WriteID, writeID) {
			// A Put took effect and only its answer was lost: a conflict with ourselves.
			return now, nil
		}
		after := now.clone()
		// A store may call its own client's repetition of a Put a conflict, so that one counted shows by who built on it.
		switch err := change(after, now.follows(writeID) || unanswered && version != over); {
		case errors.Is(err, errUnchanged):
			return now, nil
		case err != nil:
			return nil, err
		}
		after.sign(writeID + version)
		_, err = m.put(ctx, userID, after, version)
		if err == nil {
			return after, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			unanswered, over = true, version
		}
		// A conflict means that somebody got on, so it can go on for as long as ctx does. An outage
		// can't: callers have better things to do than to wait it out.
		if !errors.Is(err, store.ErrConflict) && try >= 2 {
			return nil, err
		}
		if pause(ctx, backoff(try, 5*time.Millisecond, 500*time.Millisecond)) != nil {
			return nil, &StoreError{Op: "put", Err: err}
		}
	}
}
