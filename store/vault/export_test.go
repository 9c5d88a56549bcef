package vault

import "time"

// Age makes the token of s that much older.
func Age(s *Store, d time.Duration) {
	s.keeper.mu.Lock()
	defer s.keeper.mu.Unlock()
	s.keeper.since = s.keeper.since.Add(-d)
}
