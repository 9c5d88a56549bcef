package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// defaultLastSeen is how far what is noted of a login's last use may lag behind.
	defaultLastSeen = time.Hour

	// seenDelay keeps the note of a login's use behind the refresh that the same request may begin: a user who comes back
	// after an hour often has a token that is due.
	seenDelay = 10 * time.Second

	// seenPause is how long a user's logins are left alone after a try to note a use of one, whatever came of it.
	seenPause = time.Minute

	// maxNoting bounds how many notes a process has under way: some 36,000 an hour. One that does not fit is left to the
	// login's next request.
	maxNoting = 100
)

// WithLastSeen sets how exactly it is noted when a login was last used, by default to the hour; see [LoginInfo]. Each
// login that is in use costs the store one read and one write in that time, for the whole fleet and behind the requests, and
// a login's last use may be that much later than it says. Zero notes nothing: the last use is then the sign-in. Anything
// else below a minute is an error.
//
// To note is never in a refresh's way: while somebody is refreshing the user's token it is left out.
func WithLastSeen(resolution time.Duration) Option {
	return func(m *Manager) error {
		if resolution != 0 && resolution < time.Minute {
			return fmt.Errorf("grant: WithLastSeen(%v): want a minute or more, or zero to note nothing", resolution)
		}
		m.seen.resolution = resolution
		return nil
	}
}

// seen keeps it rare that a login's use is noted. It is safe for concurrent use.
type seen struct {
	resolution time.Duration

	mu     sync.Mutex
	noting int
	rest   map[int64]time.Time // Until when a user's logins are left alone.
}

// begin says whether a note of one of the user's logins may be made now; whoever is told so calls end.
func (s *seen) begin(userID int64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noting >= maxNoting || now.Before(s.rest[userID]) {
		return false
	}
	if s.rest == nil || len(s.rest) >= 1000 { // Forgetting costs a read and nothing else.
		s.rest = make(map[int64]time.Time)
	}
	s.rest[userID] = now.Add(seenPause)
	s.noting++
	return true
}

func (s *seen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noting--
}

// dueNote says whether a use of a login is to be noted in r. A lease keeps it out: who watches one takes it over when the
// same write has stood for its length, and would begin anew.
func (r *record) dueNote(loginID string, now time.Time, resolution time.Duration) bool {
	l, ok := r.Logins[loginID]
	return ok && resolution > 0 && r.Lease.Owner == "" && now.Sub(l.lastSeen()) >= resolution
}

// noteSeen notes behind the caller's back that a login is in use, if r does not say so yet. It is tried once: what comes
// between is another use's to note.
func (m *Manager) noteSeen(ctx context.Context, s Session, r *record) {
	now := m.clock()
	if !r.dueNote(s.LoginID, now, m.seen.resolution) || !m.seen.begin(s.UserID, time.Now()) {
		return
	}
	ctx, done, ok := m.work.detach(ctx, seenDelay+signInTimeout)
	if !ok {
		m.seen.end()
		return
	}
	go func() {
		defer done()
		defer m.seen.end()
		if !m.work.linger(seenDelay) {
			return // Close waits for what matters.
		}
		_, err := m.update(ctx, s.UserID, func(r *record, _ bool) error {
			if !m.isSignedIn(r, s) || !r.dueNote(s.LoginID, now, m.seen.resolution) {
				return errUnchanged
			}
			l := r.Logins[s.LoginID]
			l.Seen = now.UTC()
			r.Logins[s.LoginID] = l
			return nil
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			m.log.LogAttrs(ctx, slog.LevelDebug, "a login's use was not noted", slog.Int64("user_id", s.UserID), slog.Any("error", err))
		}
	}()
}
