package grant

import (
	"sync"
	"time"
)

// maxWatches bounds the leases that are watched; one that is forgotten is watched anew.
const maxWatches = 1000

// watches remembers since when another's lease was seen, over refreshes that ended before they could take it over:
// with a store that fails now and then, the lease of a replica that died would else stand for as long as that. The
// zero value is ready to use.
type watches struct {
	mu     sync.Mutex
	byUser map[int64]watch
}

type watch struct {
	writeID string
	since   time.Time // By this process's own stopwatch.
}

// take returns the watch of a user, as of the moment start, and forgets it.
func (w *watches) take(userID int64, start time.Time) (writeID string, since time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, ok := w.byUser[userID]
	if !ok {
		return "", 0
	}
	delete(w.byUser, userID)
	return one.writeID, one.since.Sub(start)
}

func (w *watches) leave(userID int64, writeID string, since time.Time) {
	if writeID == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byUser == nil || len(w.byUser) >= maxWatches {
		w.byUser = make(map[int64]watch)
	}
	w.byUser[userID] = watch{writeID, since}
}
