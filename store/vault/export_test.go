package vault

import (
	"context"
	"time"
)

// Age makes the token of s that much older.
func Age(s *Store, d time.Duration) {
	s.keeper.mu.Lock()
	defer s.keeper.mu.Unlock()
	s.keeper.since = s.keeper.since.Add(-d)
}

// LogIn makes a fresh log-in as a request does whose token Vault refused.
func LogIn(ctx context.Context, s *Store) error {
	s.keeper.mu.Lock()
	a := s.keeper.beginLocked(true)
	s.keeper.mu.Unlock()
	return a.wait(ctx)
}
