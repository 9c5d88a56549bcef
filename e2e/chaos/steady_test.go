package chaos_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

// TestSteadyTrafficAcrossRotations has callers call all the time: tokens are refreshed behind them before
// they run out, and calls that are under way with the old one meet its death.
func TestSteadyTrafficAcrossRotations(t *testing.T) {
	t.Parallel()
	ctx := untilInterrupted(t)
	const users = 8
	w := newWorld(t, vaulttest.Start(t), herdLife, herdReplicas, users)
	w.signInAll(ctx, t)

	// GitHub looks at a token when a call is some way into its work, for one call in four.
	w.gh.Inject(githubtest.Fault{Delay: 60 * time.Millisecond, Match: func(r *http.Request) bool {
		return isCall(r) && rand.N(4) == 0
	}})
	writes := make(map[int64]int64)
	generations := make(map[int64]int64)
	for _, user := range w.users {
		g, n := w.mustGrant(ctx, t, user)
		writes[user], generations[user] = n, g.Generation
	}
	asks, dead := w.front.count(), w.front.dead.Load()
	// Fewer callers than at the moment of expiry: they never rest, and a Vault that is starved fails calls.
	tally := w.load(ctx, t, load{
		callers: max(8, *herdCallers/20), at: time.Now(), length: *herdSteady, pause: 40 * time.Millisecond, everybody: true,
	})

	// The last refresh may still be under way behind its callers.
	var rotations, written int64
	settled := func() bool {
		rotations, written = 0, 0
		for _, user := range w.users {
			g, n := w.mustGrant(ctx, t, user)
			rotations += g.Generation - generations[user]
			written += n - writes[user]
			if g.Lease.Owner != "" {
				return false
			}
		}
		return true
	}
	for !settled() && wait(ctx, 100*time.Millisecond) {
	}
	asks = w.front.count() - asks
	dead = w.front.dead.Load() - dead
	n := failures(t, tally)
	if rotations == 0 || int64(asks) != rotations || written != 2*rotations {
		t.Errorf("%d rotations, %d token requests, %d writes; want some, as many, and twice as many", rotations, asks, written)
	}
	t.Logf("%d replicas, %d users, %v: %d rotations, %d token requests, %d writes", herdReplicas, users, *herdSteady, rotations, asks, written)
	t.Logf("%d API calls, %d failed; %d had been sent with a token that died on the way", len(tally.Micros), n, dead)
	t.Logf("a call: p50 %v, p99 %v, max %v", percentile(tally.Micros, 50), percentile(tally.Micros, 99), percentile(tally.Micros, 100))
}
