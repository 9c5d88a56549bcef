package onvault_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is visitors who open /me again and again, each at every replica.
type load struct {
	replicas []string // Base URLs.
	names    []string // What the replicas are called.

	mu      sync.Mutex
	phase   string
	order   []string
	tallies map[string]*tally // By phase and replica.
	fresh   map[string]bool   // Who got a page that was asked for in this phase, by visitor and replica.
	wrong   []string
}

// tally is what a replica answered in a phase.
type tally struct {
	pages, tryLater int
	slowest         time.Duration
}

func (n tally) String() string {
	return fmt.Sprintf("%d pages, %d times 503, slowest %v", n.pages, n.tryLater, n.slowest.Round(time.Millisecond))
}

// run has each visitor, who are named by their login, open a page every few milliseconds until ctx
// ends.
func (l *load) run(ctx context.Context, wg *sync.WaitGroup, visitors map[string]*visitor) {
	for login, v := range visitors {
		for i := range l.replicas {
			wg.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
						l.visit(ctx, v, login, i)
					}
				}
			})
		}
	}
}

func (l *load) visit(ctx context.Context, v *visitor, login string, replica int) {
	phase, began := l.now(), time.Now()
	p, err := v.do(ctx, http.MethodGet, l.replicas[replica]+"/me", false)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.names[replica]
	if phase != l.phase {
		phase = "between"
	}
	n := l.tallies[phase+"/"+name]
	if n == nil {
		n = &tally{}
		l.tallies[phase+"/"+name] = n
	}
	n.slowest = max(n.slowest, time.Since(began))
	switch {
	case err == nil && p.status == http.StatusOK && p.body == login:
		n.pages++
		if phase == l.phase {
			l.fresh[login+"/"+name] = true
		}
	case err == nil && p.status == http.StatusServiceUnavailable && p.retryAfter != "":
		n.tryLater++
	default:
		l.wrong = append(l.wrong, fmt.Sprintf("%s, at the replica %s: %s got %d %.80q to %q, Retry-After %q, error %v",
			l.phase, name, login, p.status, p.body, p.location, p.retryAfter, err))
	}
}

func (l *load) now() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
}

// begin starts a phase.
func (l *load) begin(phase string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase, l.fresh = phase, make(map[string]bool)
	l.order = append(l.order, phase)
}

// served says whether that many pairs of visitor and replica have got a page in this phase.
func (l *load) served(pairs int) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.fresh) == pairs
	}
}

// of returns what a replica answered in a phase.
func (l *load) of(phase, replica string) tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.tallies[phase+"/"+replica]; n != nil {
		return *n
	}
	return tally{}
}

// report logs all that was counted, and fails the test for each answer that is neither a page nor 503
// with Retry-After.
func (l *load) report(t *testing.T) {
	t.Helper()
	for _, phase := range append(slices.Clone(l.order), "between") {
		for _, name := range l.names {
			t.Logf("%-22s %-10s %v", phase, name, l.of(phase, name))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) > 0 {
		t.Errorf("%d answers were neither the visitor's page nor 503 with Retry-After, such as\n%s",
			len(l.wrong), strings.Join(l.wrong[:min(10, len(l.wrong))], "\n"))
	}
}
