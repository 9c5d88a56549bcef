package chaos_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

// The quiet margins: for how long after its end a trouble may still fail calls. After a failed refresh the
// next is made within 8 seconds, where GitHub was out of order for no more than six; after a call that Vault
// did not answer it is left alone for two, and its tries end within ten.
const (
	vaultMargin  = 10 * time.Second
	githubMargin = 11 * time.Second
)

// trouble is a time in which calls may fail.
type trouble struct {
	kind     string
	from, to time.Time // to is zero while it lasts.
	margin   time.Duration
}

// troubles are all that there were. It is safe for concurrent use.
type troubles struct {
	mu  sync.Mutex
	all []*trouble
}

func (s *troubles) begin(kind string, margin time.Duration) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &trouble{kind: kind, from: time.Now(), margin: margin}
	s.all = append(s.all, one)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.to = time.Now()
	}
}

// during returns the kinds of trouble that a call met which began then and ends now.
func (s *troubles) during(began time.Time) (kinds []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.to.IsZero() || began.Before(one.to.Add(one.margin)) {
			kinds = append(kinds, one.kind)
		}
	}
	return kinds
}

// explains says whether a failure may come of the troubles that its call met.
func explains(kinds []string, o chaos.Outcome) bool {
	for _, kind := range kinds {
		switch o.Kind {
		case chaos.TryLater:
			if kind != slowGitHub { // Slow is no failure: it is waited for.
				return true
			}
		case chaos.APIStatus: // The API's own answer, which the caller gets as it is.
			if kind == failGitHub && o.Detail == "502" || kind == limitGitHub && o.Detail == "429" {
				return true
			}
		}
	}
	return false
}

// troubleVault carries out Vault's part of the plan. It runs on the test's goroutine, which vaulttest ends
// when a container does not obey.
func (c *run) troubleVault(ctx context.Context, v *vaulttest.Server) {
	for _, m := range c.plan.vault {
		if !c.until(ctx, m) {
			return
		}
		end := c.troubles.begin(m.kind, vaultMargin)
		if m.kind == restartVault {
			v.Stop()
			wait(ctx, m.length)
			v.Restart()
			v.Unseal()
		} else {
			v.Pause()
			wait(ctx, m.length)
			v.Unpause()
		}
		end()
	}
}

// troubleGitHub carries out GitHub's part of the plan.
func (c *run) troubleGitHub(ctx context.Context) {
	for _, m := range c.plan.github {
		if !c.until(ctx, m) {
			return
		}
		end := c.troubles.begin(m.kind, githubMargin)
		var remove []func()
		for _, fault := range c.faults(m) {
			remove = append(remove, c.world.gh.Inject(fault))
		}
		wait(ctx, m.length)
		for _, f := range remove {
			f()
		}
		end()
	}
}

// faults are what befalls the requests for tokens, and half of the calls to the API.
func (c *run) faults(m misfortune) []githubtest.Fault {
	tokens := githubtest.MatchGrantType("")
	calls := func(r *http.Request) bool { return isCall(r) && rand.N(2) == 0 }
	var fault githubtest.Fault
	switch m.kind {
	case slowGitHub:
		// A call that takes a good part of a token's life could meet the death of two tokens, and would be
		// right to give up.
		return []githubtest.Fault{
			{Delay: time.Second + rand.N(time.Second), Match: tokens},
			{Delay: 50*time.Millisecond + rand.N(200*time.Millisecond), Match: calls},
		}
	case failGitHub:
		fault = githubtest.Fault{Status: http.StatusBadGateway}
	case limitGitHub:
		fault = githubtest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}}
	case loseAnswers:
		return []githubtest.Fault{{LoseAnswer: true, Match: c.world.front.matchLost(m.lost)}}
	}
	fault.Match = func(r *http.Request) bool { return tokens(r) || calls(r) }
	return []githubtest.Fault{fault}
}

// killReplicas carries out the kills of the plan, and starts replicas again.
func (c *run) killReplicas(ctx context.Context, t *testing.T) {
	t.Helper()
	var restarts sync.WaitGroup
	defer restarts.Wait()
	for _, m := range c.plan.kills {
		if !c.until(ctx, m) {
			return
		}
		slot := m.slot
		if m.aimed {
			if slot = c.owner(ctx); slot < 0 {
				continue
			}
		}
		victim := c.world.fleet.take(slot)
		if victim == nil {
			continue // It is still waiting for Vault.
		}
		victim.kill()
		c.kills.Add(1)
		restarts.Go(func() {
			if wait(ctx, m.length) {
				c.world.fleet.start(t, slot)
			}
		})
	}
}

// owner returns the slot of the next replica whose refresh GitHub has carried out, or -1 if there is none
// within a second.
func (c *run) owner(ctx context.Context) int {
	found := make(chan string, 1)
	c.world.front.aim(func(replica string) {
		select {
		case found <- replica:
		default:
		}
	})
	defer c.world.front.aim(nil)
	select {
	case name := <-found:
		return c.world.fleet.slotOf(name)
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return -1
}

// until waits for a misfortune's time.
func (c *run) until(ctx context.Context, m misfortune) bool {
	return wait(ctx, time.Until(c.began.Add(m.at)))
}
