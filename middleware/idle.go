package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// idleTimer knows which of our own scs sessions are in use, by what they hold. It is not scs's IdleTimeout, which saves the
// session and sends its cookie with each response, and so brings one back that ended meanwhile.
type idleTimer struct {
	most time.Duration // After which, without a request, a session is over; 0 is never, and nothing is noted.
	ends *memory.Store // A session is in use until its entry ends.
}

// isOver says whether a session was not used for too long, and notes that it is in use if not. An eighth of the time is not
// noted.
func (t idleTimer) isOver(session string) (bool, error) {
	mark, err := t.ends.Get(context.Background(), session)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case err != nil || time.Until(mark.Expires) > t.most-t.most/8:
		return false, err
	}
	return false, t.note(session, mark.Version)
}

// note has a session be in use from now on. version is that of the last note; "" is none.
func (t idleTimer) note(session, version string) error {
	_, err := t.ends.Put(context.Background(), session, store.Entry{Version: version, Expires: time.Now().Add(t.most)})
	if errors.Is(err, store.ErrConflict) {
		return nil // Another request of the same browser noted it.
	}
	return err
}
