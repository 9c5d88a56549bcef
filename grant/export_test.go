package grant

import (
	"net/http"
	"time"
)

// SetClock gives a manager, that nobody uses yet, another time of day.
func SetClock(m *Manager, clock func() time.Time) { m.clock = clock }

// Impatient is what requests go through by default, made of another transport.
func Impatient(t *http.Transport) http.RoundTripper { return impatient(t) }

// Base is what a manager's requests go through.
func Base(m *Manager) http.RoundTripper { return m.base }
