package benchmarks

import (
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A site that signs nobody in would be fast.
//
//nolint:paralleltest // gothic keeps its settings in variables of its package.
func TestEachSiteSignsInAndShowsItsPages(t *testing.T) {
	for _, s := range sites[1:] {
		gh := &github{}
		site := s.make(t, gh)
		stranger, v := newVisitor(site), newVisitor(site)
		v.signIn(t)
		for path, want := range map[string][2]int{"/": {204, 204}, "/identity": {401, 204}, "/client": {401, 204}} {
			for i, who := range []*visitor{stranger, v} {
				if status, _ := who.open(path); status != want[i] {
					t.Errorf("%s%s: %d, want %d", s.name, path, status, want[i])
				}
			}
		}
		if n := gh.calls.Load(); n != 2 {
			t.Errorf("%s: a sign-in cost GitHub %d calls", s.name, n)
		}
		if ours, ok := site.(ourSite); ok && (ours.store.reads.Load() != 1 || ours.store.writes.Load() != 1) {
			t.Errorf("%s: a sign-in cost the store %d reads and %d writes", s.name, ours.store.reads.Load(), ours.store.writes.Load())
		}
	}
}

// BenchmarkIdentity is a signed-in request that touches the identity only.
func BenchmarkIdentity(b *testing.B) { requests(b, "/identity", true) }

// BenchmarkClient is one that takes the go-github client.
func BenchmarkClient(b *testing.B) { requests(b, "/client", true) }

// BenchmarkAnonymous is one of nobody.
func BenchmarkAnonymous(b *testing.B) { requests(b, "/", false) }

func requests(b *testing.B, path string, signedIn bool) {
	b.Helper()
	for _, s := range sites {
		b.Run(s.name, func(b *testing.B) {
			site := s.make(b, &github{user: 1})
			v := newVisitor(site)
			if signedIn && s.name != "bare" {
				v.signIn(b)
			}
			r, w := v.request(path), &sink{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				if status := w.ask(site, r); status != http.StatusNoContent {
					b.Fatalf("status %d", status)
				}
			}
		})
	}
}

// BenchmarkSignIn is a whole sign-in with GitHub answering at once: the redirect, the callback, the first page. The processor's
// time is the whole process's: the visitor's, the fake GitHub's and the garbage collector's with it.
func BenchmarkSignIn(b *testing.B) {
	for _, s := range sites[1:] {
		b.Run(s.name, func(b *testing.B) {
			gh := &github{}
			site := s.make(b, gh)
			b.ReportAllocs()
			n, before := 0.0, processorTime(b)
			for b.Loop() {
				newVisitor(site).signIn(b)
				n++
			}
			b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/n, "cpu-ns/op")
			b.ReportMetric(float64(gh.calls.Load())/n, "calls/op")
			if ours, ok := site.(ourSite); ok {
				b.ReportMetric(float64(ours.store.reads.Load())/n, "reads/op")
				b.ReportMetric(float64(ours.store.writes.Load())/n, "writes/op")
			}
		})
	}
}

// processorTime is what the process has used so far, for itself and in the kernel.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// BenchmarkParallel is BenchmarkClient with many callers at once, each another user.
func BenchmarkParallel(b *testing.B) {
	for _, s := range sites {
		site := s.make(b, &github{})
		visitors := make([]*visitor, 512)
		for i := range visitors {
			visitors[i] = newVisitor(site)
			if s.name != "bare" {
				visitors[i].signIn(b)
			}
		}
		for _, callers := range []int{1, 2, 8, 64, 512} {
			b.Run(s.name+"/callers="+strconv.Itoa(callers), func(b *testing.B) { inParallel(b, site, visitors[:callers]) })
		}
	}
}

func inParallel(b *testing.B, site http.Handler, visitors []*visitor) {
	b.Helper()
	var start, done sync.WaitGroup
	start.Add(1)
	for i, v := range visitors {
		share := b.N / len(visitors)
		if i < b.N%len(visitors) {
			share++
		}
		r, w := v.request("/client"), &sink{header: make(http.Header)}
		done.Go(func() {
			start.Wait()
			for range share {
				if status := w.ask(site, r); status != http.StatusNoContent {
					b.Errorf("status %d", status)
					return
				}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	start.Done()
	done.Wait()
}
