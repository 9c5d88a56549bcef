package grant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// confirmDead asks GitHub's token check, which does not count as a failed login, whether a token
// that can't be refreshed is dead, and marks the grant if so. A 401 alone is too little to go by: a
// proxy before an Enterprise Server can answer it, too.
//
// All who meet the 401 share one check, and one who hangs up does not wait for it.
func (m *Manager) confirmDead(ctx context.Context, userID int64, used *record) (*record, error) {
	checked := m.flights.DoChan("check "+strconv.FormatInt(userID, 10), func() (any, error) {
		if !m.alive.due(userID, time.Now()) {
			return used, nil
		}
		ctx, done, ok := m.work.detach(ctx, signInTimeout)
		if !ok {
			return used, nil
		}
		defer done()
		return m.check(ctx, userID, used)
	})
	select {
	case res := <-checked:
		r, _ := res.Val.(*record)
		return r, res.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("grant: waiting for GitHub's token check: %w", ctx.Err())
	}
}

func (m *Manager) check(ctx context.Context, userID int64, used *record) (*record, error) {
	if _, err := m.app.Check(ctx, used.Token.AccessToken.Secret); !errors.Is(err, oauth.ErrSignInAgain) {
		m.alive.note(userID, time.Now())
		return used, nil
	}
	_, r, err := m.update(ctx, userID, func(r *record, _ bool) error {
		if r.id() != used.id() {
			return errUnchanged
		}
		r.NeedsLogin = ReasonRevoked
		return nil
	})
	if err == nil && r.NeedsLogin != "" {
		m.tell(ctx, Event{Kind: EventNeedsLogin, UserID: userID, Reason: r.NeedsLogin})
	}
	return r, err
}

// checks remembers for a moment whose token was checked and not found dead, so that a proxy that
// answers 401 to everything does not use up the app's rate limit. The zero value is ready to use.
type checks struct {
	mu     sync.Mutex
	byUser map[int64]time.Time
}

func (c *checks) due(userID int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.byUser[userID]
	return !ok || now.Sub(at) >= youngest
}

func (c *checks) note(userID int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byUser == nil || len(c.byUser) >= 1000 { // Forgetting costs a check and nothing else.
		c.byUser = make(map[int64]time.Time)
	}
	c.byUser[userID] = now
}
