package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
)

// How calls end beside the ways that replicas tell of.
const (
	replicaKilled chaos.Kind = "replica killed"          // The caller goes to another.
	replicaLost   chaos.Kind = "replica lost"            // It did not answer, though nobody had killed it.
	hung          chaos.Kind = "hung"                    // No answer within patience.
	remembered    chaos.Kind = "needs-login, remembered" // The replica knew no better: the user has signed in meanwhile.
)

// patience bounds one call: a lease that has to run out, the grace after it, and some room.
const patience = 100 * time.Second

// ledger counts what calls came to.
type ledger struct {
	mu      sync.Mutex
	kinds   map[chaos.Kind]int
	calm    int // Calls that met no trouble.
	slowest time.Duration
	wrong   []wrongCall
	served  map[int64]time.Time // When the last good call of each user began.
}

// wrongCall is a failure that no trouble explains.
type wrongCall struct {
	user  int64
	began time.Time
	kind  chaos.Kind
	text  string
}

// enter counts a call that met these troubles. A failure that they do not explain is wrong.
func (l *ledger) enter(user int64, began time.Time, o chaos.Outcome, troubles []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds[o.Kind]++
	if len(troubles) == 0 {
		l.calm++
	}
	switch o.Kind {
	case chaos.OK:
		l.slowest = max(l.slowest, time.Since(began))
		if began.After(l.served[user]) {
			l.served[user] = began
		}
	case replicaKilled, chaos.NeedsLogin, remembered: // Accounted for one by one.
	default:
		if !explains(troubles, o) {
			l.wrong = append(l.wrong, wrongCall{user, began, o.Kind, fmt.Sprintf("user %d, from %s for %v, troubles %q: %s: %s%s",
				user, clock(began), time.Since(began).Round(time.Millisecond), troubles, o.Kind, o.Detail, o.Tries)})
		}
	}
}

// total returns the number of calls and of those that failed.
func (l *ledger) total() (calls, failed int, kinds []chaos.Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, n := range l.kinds {
		calls += n
		if kind != chaos.OK {
			failed += n
		}
	}
	return calls, failed, slices.Sorted(maps.Keys(l.kinds))
}

// servedSince says whether every user had a good call that began after then.
func (l *ledger) servedSince(users []int64, then time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(users, func(user int64) bool { return l.served[user].Before(then) })
}

// callers has n callers call as the users in turn, each at any replica, until ctx ends.
func (c *run) callers(ctx context.Context, wg *sync.WaitGroup, n int, pause time.Duration) {
	for i := range n {
		wg.Go(func() {
			user := c.world.users[i%len(c.world.users)]
			for wait(ctx, pause/2+rand.N(pause)) {
				if r := c.world.fleet.any(); r != nil {
					c.call(ctx, user, r)
				}
			}
		})
	}
}

func (c *run) call(ctx context.Context, user int64, r *replica) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	var o chaos.Outcome
	err := c.world.fleet.post(patient, r, "/call", url.Values{"user": {strconv.FormatInt(user, 10)}}, &o)
	if ctx.Err() != nil {
		return // The run is over.
	}
	troubles := c.troubles.during(began)
	switch {
	case err != nil && !r.killedAt().IsZero():
		o.Kind = replicaKilled
	case err != nil && patient.Err() != nil:
		o = chaos.Outcome{Kind: hung, Detail: "at replica " + r.name}
	case err != nil:
		o = chaos.Outcome{Kind: replicaLost, Detail: r.name + ": " + err.Error()}
	case o.Kind == chaos.NeedsLogin:
		o.Kind = c.signInAgain(ctx, user, r, began, o.Detail)
	}
	c.ledger.enter(user, began, o, troubles)
}
