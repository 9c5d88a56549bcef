package grant

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// brakeAfter is how many token requests in a row may go unanswered before the brake takes hold.
	brakeAfter = 3

	// brakeFirst is how long it holds at first, at most, and brakeMost how long after many tries, unless GitHub asks for more. Both
	// are no longer than the back-off of the users whose requests met the same.
	brakeFirst = 2 * time.Second
	brakeMost  = 30 * time.Second

	// brakeProbe is how long one request has the way to itself that finds out whether things are mended. After
	// that the next one tries: the first may wait for something else, as for the lease of a replica that died.
	brakeProbe = 5 * time.Second
)

// brake keeps a process from the token endpoint while GitHub refuses the app or does not answer, for all its users
// together: what a grant notes of a failure spares GitHub one user, and an app with thousands of them would go
// through its 2,000 token requests an hour (GitHub docs, "Rate limits for OAuth apps") all the same. While
// it holds, tokens that are good are served; then one request finds out whether things are mended. The zero
// value is ready to use.
type brake struct {
	mu      sync.Mutex
	failed  int       // Token requests in a row.
	times   int       // That it took hold, in a row.
	until   time.Time // Monotonic.
	probing bool      // One request finds out whether things are mended, until then.
	code    oauth.Code
	app     bool // GitHub refuses the app.
}

// note takes what came of a token request.
func (b *brake) note(err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil || errors.Is(err, oauth.ErrSignInAgain) { // GitHub is at work, and takes the app's credentials.
		b.failed, b.times, b.until, b.probing, b.app, b.code = 0, 0, time.Time{}, false, false, ""
		return
	}
	e, _ := errors.AsType[*oauth.Error](err)
	b.failed++
	b.app = errors.Is(err, oauth.ErrMisconfigured)
	limited := e != nil && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusForbidden)
	if e != nil {
		b.code = e.Code
	}
	if !b.app && !limited && b.failed < brakeAfter {
		return
	}
	var wait time.Duration
	// Those that were under way when it took hold met the same trouble: many at once would make a moment's outage last half a
	// minute.
	if b.probing || !now.Before(b.until) {
		wait = backoff(b.times, brakeFirst, brakeMost)
		b.times++
	}
	if e != nil {
		wait = max(wait, min(e.RetryAfter, maxBackoff))
	}
	// What was asked for before is not cut short, other than a probe's time: of many answers at once only one may hold a Retry-After.
	if until := now.Add(wait); b.probing || until.After(b.until) {
		b.until = until
	}
	b.probing = false
}

// hold reports for how long no token request may be made, as an error; or it returns nil, and the caller makes
// one, while others are held.
func (b *brake) hold(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return nil
	}
	left := b.until.Sub(now)
	if left <= 0 {
		b.until, b.probing = now.Add(brakeProbe), true
		return nil
	}
	return &BackoffError{Code: string(b.code), RetryAfter: max(left, time.Second), Misconfigured: b.app}
}

// holds says whether hold would report an error.
func (b *brake) holds(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until)
}
