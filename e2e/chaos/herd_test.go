package chaos_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

var (
	herdRotations = flag.Int("herd.rotations", 3, "rotations that the herd meets")
	herdCallers   = flag.Int("herd.callers", 20, "callers of the herd in each of its 8 replicas")
	herdSteady    = flag.Duration("herd.steady", 8*time.Second, "how long callers call without a pause, across rotations")
)

// herdLife is the life of the herd's tokens: time enough for the calls at a quiet moment between two ends.
const herdLife = 6 * time.Second

// herdReplicas is the size of the fleet.
const herdReplicas = 8

// TestHerdAtTheMomentOfExpiry has every caller of every replica call at the moment when the token runs out.
func TestHerdAtTheMomentOfExpiry(t *testing.T) {
	t.Parallel()
	ctx := untilInterrupted(t)
	w := newWorld(t, vaulttest.Start(t), herdLife, herdReplicas, 1)
	w.signInAll(ctx, t)
	user := w.users[0]

	// So that the first baseline does not measure how connections are made.
	w.load(ctx, t, load{callers: *herdCallers, at: time.Now()})
	var quiet, rotating []int64
	var added [3][]int64 // At p50, p99 and most, round by round.
	calls, failed := 0, 0
	for round := range *herdRotations {
		before, writes := w.mustGrant(ctx, t, user)
		asks := w.front.count()
		herd := w.load(ctx, t, load{callers: *herdCallers, at: before.Token.Expiry})
		after, writesAfter := w.mustGrant(ctx, t, user)
		asks, writes = w.front.count()-asks, writesAfter-writes
		if asks != 1 || writes != 2 || after.Generation != before.Generation+1 || after.Lease.Owner != "" {
			t.Errorf("round %d: %d token requests, %d writes, generation %d after %d, lease %q; want 1, 2, one more and none",
				round, asks, writes, after.Generation, before.Generation, after.Lease.Owner)
		}
		rotating = append(rotating, herd.Micros...)

		// The same calls at a moment without a rotation.
		asks = w.front.count()
		base := w.load(ctx, t, load{callers: *herdCallers, at: time.Now().Add(500 * time.Millisecond)})
		if n := w.front.count() - asks; n != 0 {
			t.Fatalf("round %d: %d token requests at the quiet moment: this machine is too slow for tokens of %v", round, n, herdLife)
		}
		quiet = append(quiet, base.Micros...)
		for i, p := range []int{50, 99, 100} {
			added[i] = append(added[i], (percentile(herd.Micros, p) - percentile(base.Micros, p)).Microseconds())
		}
		for _, tally := range []chaos.Tally{herd, base} {
			calls += len(tally.Micros)
			failed += failures(t, tally)
		}
		if ctx.Err() != nil {
			t.FailNow()
		}
	}
	t.Logf("%d replicas with %d callers each, %d rotations: one token request and two writes each", herdReplicas, *herdCallers, *herdRotations)
	t.Logf("%d API calls, %d failed, %d of them with a dead token", calls, failed, w.front.dead.Load())
	t.Logf("a call at a quiet moment: p50 %v, p99 %v, max %v", percentile(quiet, 50), percentile(quiet, 99), percentile(quiet, 100))
	t.Logf("a call at a rotation:     p50 %v, p99 %v, max %v", percentile(rotating, 50), percentile(rotating, 99), percentile(rotating, 100))
	t.Logf("added wait (median of the rounds' differences): p50 %v, p99 %v, max %v", percentile(added[0], 50), percentile(added[1], 50), percentile(added[2], 50))
}

// load is calls that every replica makes.
type load struct {
	callers   int // In each replica.
	at        time.Time
	length    time.Duration // Zero is one call a caller.
	pause     time.Duration
	everybody bool // For all users, and not the first alone.
}

// load has every replica make calls, and returns what they came to together.
func (w *world) load(ctx context.Context, t *testing.T, l load) chaos.Tally {
	t.Helper()
	users := w.users[:1]
	if l.everybody {
		users = w.users
	}
	list, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"users": {string(list)}, "callers": {strconv.Itoa(l.callers)}, "at": {l.at.Format(time.RFC3339Nano)},
		"for": {l.length.String()}, "pause": {l.pause.String()},
	}
	ctx, cancel := context.WithTimeout(ctx, time.Until(l.at)+l.length+limit)
	defer cancel()
	all := chaos.Tally{Failed: map[chaos.Kind]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, r := range w.fleet.serving() {
		wg.Go(func() {
			var one chaos.Tally
			if err := w.fleet.post(ctx, r, "/load", form, &one); err != nil {
				t.Errorf("replica %s: %v", r.name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all.Micros = append(all.Micros, one.Micros...)
			for kind, n := range one.Failed {
				all.Failed[kind] += n
				all.Example = fmt.Sprintf("at replica %s: %s", r.name, one.Example)
			}
		})
	}
	wg.Wait()
	return all
}

func (w *world) mustGrant(ctx context.Context, t *testing.T, user int64) (chaos.Grant, int64) {
	t.Helper()
	g, writes, err := w.grant(ctx, user)
	if err != nil {
		t.Fatalf("read the grant of user %d: %v", user, err)
	}
	return g, writes
}

// failures fails the test for each failed call and returns their number.
func failures(t *testing.T, tally chaos.Tally) (n int) {
	t.Helper()
	for _, m := range tally.Failed {
		n += m
	}
	if n > 0 {
		t.Errorf("%d of %d calls failed: %v, such as %s", n, len(tally.Micros), tally.Failed, tally.Example)
	}
	return n
}

func percentile(micros []int64, p int) time.Duration {
	if len(micros) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(micros))
	at := (len(sorted)*p + 99) / 100
	return (time.Duration(sorted[max(0, at-1)]) * time.Microsecond).Round(10 * time.Microsecond)
}
