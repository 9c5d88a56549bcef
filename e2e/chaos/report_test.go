package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
)

// shown bounds how much of one kind a report prints.
const shown = 20

// report prints what a run came to, and fails the test for all that must not be.
func (c *run) report(t *testing.T, seed uint64) {
	t.Helper()
	e := c.evidence()
	results := make(map[string]int)
	rotations := 0
	for _, a := range e.asks {
		results[a.Result]++
		if a.rotated() {
			rotations++
		}
	}
	calls, failed, kinds := c.ledger.total()
	t.Logf("seed %d, %v, %d replicas, %d users, %d callers", seed, *chaosLength, chaosReplicas, len(c.world.users), *chaosCallers)
	t.Logf("%d replicas killed; %d troubles of Vault and GitHub", c.kills.Load(), len(c.troubles.all))
	t.Logf("%d rotations, %d token requests: %v", rotations, len(e.asks), results)
	t.Logf("%d calls, %d of which failed; %d met no trouble; the slowest good one took %v", calls, failed, c.ledger.calm, c.ledger.slowest.Round(time.Millisecond))
	for _, kind := range kinds {
		t.Logf("  %-24s %d", kind, c.ledger.kinds[kind])
	}
	c.reportCases(t, e)

	for i, double := range e.doubles(c.cases) {
		if i < shown {
			t.Errorf("two requests with one refresh token, and no lease had run out: %s", double)
		}
	}
	all := len(c.ledger.wrong)
	wrong := slices.DeleteFunc(c.ledger.wrong, func(w wrongCall) bool { return w.kind == chaos.TryLater && e.pairWasLost(c.cases, w.user, w.began) })
	if n := all - len(wrong); n > 0 {
		t.Logf("%d calls were to be tried later because their user's pair was lost, and nobody could know yet", n)
	}
	for i, w := range wrong {
		if i < shown {
			t.Errorf("a call failed and must not have: %s", w.text)
		}
	}
	if n := len(wrong); n > shown {
		t.Errorf("and %d more calls", n-shown)
	}
	for _, wrong := range c.wrong {
		t.Error(wrong)
	}
	for _, r := range c.world.fleet.every() {
		select {
		case <-r.gone:
			if r.killedAt().IsZero() {
				t.Errorf("replica %s ended by itself:\n%s", r.name, r.stderr.String())
			}
		default:
		}
	}
	if rotations == 0 || c.kills.Load() == 0 || c.ledger.calm == 0 || c.ledger.kinds[chaos.OK] == 0 {
		t.Error("there were no rotations, no kills, no calm or no good calls: the run shows nothing")
	}
}

// reportCases accounts for every user who had to sign in again.
func (c *run) reportCases(t *testing.T, e evidence) {
	t.Helper()
	verdicts := make(map[string]int)
	var waits []int64 // From the moment that the pair was lost.
	slowest := ""
	for i, s := range c.cases {
		verdict, why, spent := e.judge(s)
		verdicts[verdict]++
		trace := e.trace(chaos.Fingerprint(s.grant.Token.RefreshToken))
		if verdict == unaccounted {
			t.Errorf("user %d had to sign in again at %s and must not have (%s): %s%s", s.user, clock(s.found), s.grant.NeedsLogin, why, trace)
			continue
		}
		if i < shown {
			t.Logf("  user %d had to sign in again at %s (%s): %s", s.user, clock(s.found), s.grant.NeedsLogin, why)
		}
		wait := s.found.Sub(spent).Microseconds()
		if len(waits) == 0 || wait > slices.Max(waits) {
			slowest = fmt.Sprintf("user %d%s", s.user, trace)
		}
		waits = append(waits, wait)
	}
	t.Logf("%d times a user had to sign in again, which they were told after %v (median) and %v (at most):", len(c.cases),
		percentile(waits, 50).Round(time.Second), percentile(waits, 100).Round(time.Second))
	for _, verdict := range []string{killedInWindow, answerLost, unaccounted} {
		t.Logf("  %d: %s", verdicts[verdict], verdict)
	}
	if slowest != "" {
		t.Logf("what took longest: %s", slowest)
	}
}

// checkGrants checks that when all is quiet every grant holds the newest pair: one that GitHub still takes.
func (c *run) checkGrants(ctx context.Context, t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(leaseLength + 10*time.Second)
	for _, user := range c.world.users {
		for {
			g, ok := c.read(ctx, user)
			if !ok {
				return
			}
			if c.world.front.live(chaos.Fingerprint(g.Token.RefreshToken)) && g.Lease.Owner == "" {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("user %d: at the end the grant holds a refresh token that was spent, or a lease (%q, generation %d, needs login %q)",
					user, g.Lease.Owner, g.Generation, g.NeedsLogin)
				break
			}
			wait(ctx, 500*time.Millisecond)
		}
	}
}
