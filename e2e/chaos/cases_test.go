package chaos_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
)

// signInCase is a user who had to sign in again, with the grant as it was then.
type signInCase struct {
	user  int64
	found time.Time
	grant chaos.Grant
}

// person is what the harness keeps of a user.
type person struct {
	mu       sync.Mutex // One sign-in at a time.
	signedIn time.Time  // When the last one had ended.
}

// staleness is for how long a replica may not know of a sign-in at another, with some room: see
// grant.WithStaleness.
const staleness = 12 * time.Second

// signInAgain deals with a call whose answer was that its user must sign in: it notes the grant, signs them
// in, and so lets the run go on.
func (c *run) signInAgain(ctx context.Context, user int64, r *replica, began time.Time, reason string) chaos.Kind {
	p := c.people[user]
	p.mu.Lock()
	defer p.mu.Unlock()
	if began.Before(p.signedIn) {
		return chaos.NeedsLogin // Another call of theirs met the same.
	}
	g, ok := c.read(ctx, user)
	if !ok {
		return chaos.NeedsLogin
	}
	if g.NeedsLogin == "" {
		if began.Sub(p.signedIn) > staleness && len(c.troubles.during(began)) == 0 {
			c.blame("replica %s says that user %d must sign in (%s), but their grant does not, and they signed in %v ago",
				r.name, user, reason, time.Since(p.signedIn).Round(time.Second))
		}
		return remembered
	}
	c.mu.Lock()
	c.cases = append(c.cases, signInCase{user: user, found: time.Now(), grant: g})
	c.mu.Unlock()
	for {
		to := c.world.fleet.any()
		err := c.world.signIn(ctx, user, to)
		if err == nil {
			break
		}
		if !wait(ctx, 500*time.Millisecond) {
			return chaos.NeedsLogin
		}
	}
	p.signedIn = time.Now()
	return chaos.NeedsLogin
}

// read reads a grant, again and again while Vault is away.
func (c *run) read(ctx context.Context, user int64) (chaos.Grant, bool) {
	for {
		g, _, err := c.world.grant(ctx, user)
		if err == nil {
			return g, true
		}
		if !wait(ctx, 200*time.Millisecond) {
			return g, false
		}
	}
}

// blame notes what must not be.
func (c *run) blame(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}
