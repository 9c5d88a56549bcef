package chaos_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

var (
	chaosLength  = flag.Duration("chaos.duration", 25*time.Second, "how long things go wrong")
	chaosSeed    = flag.Uint64("chaos.seed", 0, "seed of what goes wrong and when; 0 takes one by chance")
	chaosUsers   = flag.Int("chaos.users", 40, "users")
	chaosCallers = flag.Int("chaos.callers", 240, "callers, who share the users among them")
)

const (
	chaosReplicas = 8
	chaosLife     = 5 * time.Second // Of an access token.
	chaosPause    = 300 * time.Millisecond

	// drainLength bounds the time after a long run in which everything must come right: a lease that runs
	// out, the grace after it, a sign-in, and some room.
	drainLength = 2 * time.Minute
)

// run is one run of chaos.
type run struct {
	world    *world
	plan     plan
	began    time.Time
	troubles troubles
	ledger   ledger
	people   map[int64]*person
	kills    atomic.Int64

	mu    sync.Mutex
	cases []signInCase
	wrong []string
}

// TestFleetInChaos kills replicas, pauses and restarts Vault, and puts GitHub out of order, under load.
func TestFleetInChaos(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(untilInterrupted(t), *chaosLength+drainLength+5*time.Minute)
	defer cancel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64() >> 32
	}
	t.Logf("the seed is %d: to go through the same again, make chaos DURATION=%v SEED=%d", seed, *chaosLength, seed)

	v := vaulttest.Start(t, vaulttest.OnDisk())
	c := &run{
		world:  newWorld(t, v, chaosLife, chaosReplicas, *chaosUsers),
		plan:   newPlan(seed, *chaosLength, chaosReplicas),
		ledger: ledger{kinds: make(map[chaos.Kind]int), served: make(map[int64]time.Time)},
		people: make(map[int64]*person),
	}
	c.world.signInAll(ctx, t)
	c.began = time.Now()
	for _, user := range c.world.users {
		c.people[user] = &person{signedIn: c.began}
	}

	calling, stop := context.WithCancel(ctx)
	defer stop()
	var callers, troubles sync.WaitGroup
	defer func() { stop(); callers.Wait(); troubles.Wait() }() // Also where vaulttest ends the test.
	c.callers(calling, &callers, *chaosCallers, chaosPause)
	troubles.Go(func() { c.killReplicas(calling, t) })
	troubles.Go(func() { c.troubleGitHub(calling) })
	callers.Go(func() { c.tell(calling, t) })
	c.troubleVault(calling, v)
	troubles.Wait()
	wait(calling, time.Until(c.began.Add(*chaosLength)))

	long := *chaosLength >= round
	if long {
		c.drain(calling, t)
	}
	stop()
	callers.Wait()
	if ctx.Err() != nil {
		t.Fatal("the run was cut off")
	}
	c.report(t, seed)
	if long {
		c.checkGrants(ctx, t)
	}
}

// drain waits until every user is served again with nothing going wrong any more.
func (c *run) drain(ctx context.Context, t *testing.T) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < drainLength {
		if c.ledger.servedSince(c.world.users, began) {
			t.Logf("all %d users were served again %v after the last misfortune", len(c.world.users), time.Since(began).Round(time.Second))
			return
		}
		if !wait(ctx, 200*time.Millisecond) {
			return
		}
	}
	t.Errorf("not every user was served within %v after the last misfortune", drainLength)
}

// tell says every half minute how far the run is.
func (c *run) tell(ctx context.Context, t *testing.T) {
	t.Helper()
	for wait(ctx, 30*time.Second) {
		calls, failed, _ := c.ledger.total()
		c.mu.Lock()
		again := len(c.cases)
		c.mu.Unlock()
		t.Logf("after %v: %d calls, %d failed, %d token requests, %d kills, %d sign-ins again",
			time.Since(c.began).Round(time.Second), calls, failed, c.world.front.count(), c.kills.Load(), again)
	}
}
