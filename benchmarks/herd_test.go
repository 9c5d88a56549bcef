package benchmarks

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/store/memory"
)

const (
	herdManagers = 8
	herdCallers  = 500 // Of each.
	herdLife     = 2 * time.Second
	gitHubTakes  = 100 * time.Millisecond
)

// slow is a GitHub that takes its time, and whose tokens live for herdLife.
type slow struct{ *github }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(gitHubTakes)
	resp, err := s.github.RoundTrip(r)
	return resp, err
}

// BenchmarkHerd has the callers of eight managers over one store ask for one user's token at the moment when it runs
// out.
func BenchmarkHerd(b *testing.B) {
	gh := &github{user: 1, life: herdLife}
	st := memory.New()
	managers := make([]*grant.Manager, herdManagers)
	for i := range managers {
		managers[i] = newManager(b, st, slow{gh}, grant.WithRefreshMargin(0))
	}
	user := signIn(b, managers[0]).UserID
	asked := gh.calls.Load()
	var slowest, median time.Duration // The most of all rotations, of which there is one unless -benchtime asks for more.
	for range b.N {
		time.Sleep(herdLife + 10*time.Millisecond)
		took := make([]time.Duration, herdManagers*herdCallers)
		var start, done sync.WaitGroup
		var began time.Time // For all: who is late to be scheduled has waited, too.
		start.Add(1)
		for i := range took {
			done.Go(func() {
				start.Wait()
				if _, err := managers[i%herdManagers].Token(b.Context(), user); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(began)
			})
		}
		began = time.Now()
		start.Done()
		done.Wait()
		slices.Sort(took)
		median = max(median, took[len(took)/2])
		slowest = max(slowest, took[len(took)-1])
	}
	b.ReportMetric(float64(gh.calls.Load()-asked)/float64(b.N), "requests/op")
	b.ReportMetric(float64(median-gitHubTakes)/1e6, "median-added-ms")
	b.ReportMetric(float64(slowest-gitHubTakes)/1e6, "slowest-added-ms")
}
