package grant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// confirmDead asks GitHub's token check, which does not count as a failed login, whether a token that met a 401 is
// dead. It says no, too, where it can't tell. What it said is remembered for a while.
//
// All who meet the 401 with the same token share one check, and one who hangs up does not wait for it. With another token they
// don't: what GitHub says of a withdrawn token must not mark the one of a sign-in that came since.
func (m *Manager) confirmDead(ctx context.Context, userID int64, used *record) (bool, error) {
	checked := m.flights.DoChan(fmt.Sprintf("check %d %s %d", userID, used.Lineage, used.Generation), func() (any, error) {
		if dead, ok := m.checked.last(userID, used.id(), time.Now()); ok {
			return dead, nil
		}
		if m.checked.lately(userID, time.Now()) && used.Token.young(m.clock()) {
			return false, nil // It was made a moment ago, after another one had met a 401: a third would fare no better.
		}
		ctx, done, ok := m.work.detach(ctx, signInTimeout)
		if !ok {
			return false, nil
		}
		defer done()
		_, err := m.app.Check(ctx, used.Token.AccessToken.Secret)
		dead := errors.Is(err, oauth.ErrSignInAgain)
		m.checked.note(userID, used.id(), dead, time.Now())
		return dead, nil
	})
	select {
	case res := <-checked:
		dead, _ := res.Val.(bool)
		return dead, res.Err
	case <-ctx.Done():
		return false, &waitError{ctx.Err()}
	}
}

// markRevoked marks a grant whose token is dead and can't be refreshed, and returns the error that says so. It returns nil
// where another token is there now.
func (m *Manager) markRevoked(ctx context.Context, userID int64, used *record) error {
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return ErrClosed
	}
	defer done()
	marked := false // By this request, which then tells of it.
	r, err := m.update(ctx, userID, func(r *record, _ bool) error {
		marked = r.id() == used.id() && r.NeedsLogin == ""
		if !marked {
			return errUnchanged
		}
		r.NeedsLogin = ReasonRevoked
		return nil
	})
	if err != nil {
		return err
	}
	if r.id() != used.id() {
		return nil
	}
	if marked {
		m.tell(ctx, Event{Kind: EventNeedsLogin, UserID: userID, Reason: r.NeedsLogin})
	}
	return &SignInError{r.NeedsLogin}
}

// maxCheckPause bounds the pause between two checks of a token that goes on to meet 401s and is alive.
const maxCheckPause = 30 * time.Minute

// checks remembers whose token was checked, so that a proxy that answers 401 to everything does not use up the
// app's rate limit: the pause between two checks grows from a minute. The zero value is ready to use.
type checks struct {
	mu     sync.Mutex
	byUser map[int64]checkedToken
}

type checkedToken struct {
	id    id
	dead  bool
	next  time.Time
	pause time.Duration
}

// last returns what came of the last check of a token, if that still counts.
func (c *checks) last(userID int64, token id, now time.Time) (dead, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byUser[userID]
	return e.dead, ok && e.id == token && now.Before(e.next)
}

// lately says whether a token of the user was checked within the last minute.
func (c *checks) lately(userID int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byUser[userID]
	return ok && now.Sub(e.next.Add(-e.pause)) < youngest
}

func (c *checks) note(userID int64, token id, dead bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byUser[userID]
	e.pause = max(youngest, min(2*e.pause, maxCheckPause))
	if dead || e.id != token {
		e.pause = youngest
	}
	if c.byUser == nil || len(c.byUser) >= 1000 { // Forgetting costs a check and nothing else.
		c.byUser = make(map[int64]checkedToken)
	}
	e.id, e.dead, e.next = token, dead, now.Add(e.pause)
	c.byUser[userID] = e
}
