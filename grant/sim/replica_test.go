package sim

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// replica is one process of the fleet, from its start to its end.
type replica struct {
	w      *world
	n      int // Counts all replicas.
	place  int
	clock  time.Duration // By how much its clock is ahead.
	m      *grant.Manager
	ctx    context.Context // Ends with a crash.
	cancel context.CancelFunc

	crashed atomic.Bool
	closing atomic.Bool
	calls   [checkCall + 1]atomic.Uint64

	// The world's lock guards these.
	everywhere int       // Calls of SignOutEverywhere that are, or may be, under way.
	cutOff     bool      // Close ended work before it was done.
	away       time.Time // When a call of the store last met a fault.
	blind      bool      // That was just before, or while, it was closed: it could not see what to revoke.
	refusedAt  time.Time // When a call of GitHub last met a fault.
	braked     bool      // That was shortly before, or while, it was closed: it might not ask GitHub for what a revocation needs.
	floor      int       // The version of its newest Put that was answered.
	lags       int
	lagsUntil  time.Time
}

func (r *replica) String() string { return fmt.Sprint(r.n) }

// newReplica starts a process. Its clock is the next of the schedule's, so a place's clock steps with each restart.
func (w *world) newReplica(place int) *replica {
	r := &replica{w: w, n: len(w.all), place: place, clock: w.sch.Clocks[len(w.all)%len(w.sch.Clocks)]}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	app, err := oauth.New(oauth.Config{
		ClientID: clientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(clientSecret)}, RedirectURL: "https://app.example/callback",
	}, oauth.WithHTTPClient(&http.Client{Transport: door{r}}))
	if err != nil {
		panic(err)
	}
	opts := []grant.Option{grant.WithTransport(door{r}), grant.WithStaleness(w.sch.Staleness)}
	if w.sch.Keep {
		opts = append(opts, grant.WithKeepTokens())
	}
	r.m, err = grant.New(app, handle{r}, opts...)
	if err != nil {
		panic(err)
	}
	w.all = append(w.all, r)
	return r
}

// crash ends a replica as a power cut would: nothing it does has an effect any more. Another takes its place.
func (r *replica) crash() {
	w := r.w
	w.mu.Lock()
	if r.crashed.Swap(true) || w.replicas[r.place] != r {
		w.mu.Unlock()
		return
	}
	w.judge.numbers.crashes++
	w.tell("replica %v crashes, %d takes its place", r, len(w.all))
	w.replicas[r.place] = w.newReplica(r.place)
	w.mu.Unlock()
	r.cancel()
	// It frees the goroutines. The group's Wait may be under way, since what crashes can be work that nobody waits for, and
	// a group must not grow from nothing then.
	go func() { _ = r.m.Close(r.ctx) }()
}

// close ends a replica in good order.
func (w *world) close(r *replica, replace bool) {
	w.mu.Lock()
	if r.crashed.Load() || r.closing.Swap(true) {
		w.mu.Unlock()
		return
	}
	r.blind, r.braked = time.Since(r.away) < minute, time.Since(r.refusedAt) < 6*minute
	if replace {
		w.replicas[r.place] = w.newReplica(r.place)
	}
	w.mu.Unlock()
	w.wg.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, 2*minute)
		defer cancel()
		if err := r.m.Close(ctx); err != nil {
			w.mu.Lock()
			w.tell("Close of replica %v: %v", r, err)
			r.cutOff = true
			w.mu.Unlock()
		}
		r.cancel()
	})
}

// sleep is time that a call of the replica takes. It ends with the call's context, and with a crash.
func (r *replica) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		case <-r.ctx.Done():
			timer.Stop()
		}
	}
	if r.crashed.Load() {
		return errBroken
	}
	return ctx.Err()
}

// latency is how long a call takes before and after its effect.
func (r *replica) latency(c call, f fault, lasts time.Duration) (before, after time.Duration) {
	x := r.w.sch.Seed ^ uint64(r.n)<<32 ^ uint64(c)<<40 ^ r.calls[c].Add(1)<<48
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	most := 8 * ms
	if !c.ofStore() {
		most = 120 * ms
	}
	before = time.Duration(1 + x>>40%uint64(most))
	after = time.Duration(1 + x&(1<<40-1)%uint64(most))
	switch f {
	case slowBefore:
		before += lasts
	case slowAfter:
		after += lasts
	}
	return before, after
}

// fault is what the schedule has go wrong with a call. Under the lock.
func (w *world) fault(r *replica, c call) (fault, time.Duration) {
	for i, a := range w.armed {
		if a.on != c || a.place >= 0 && a.place != r.place {
			continue
		}
		if a.passes > 0 {
			a.passes--
			continue
		}
		w.armed = append(w.armed[:i], w.armed[i+1:]...)
		w.tell("%v of replica %v meets: %v", c, r, a.fault)
		w.judge.hit(a.fault)
		return a.fault, a.lasts
	}
	for _, o := range w.outages {
		if o.hits(r, c) {
			w.tell("%v of replica %v meets the outage", c, r)
			return o.fault, 0
		}
	}
	return none, 0
}

func (o outageNow) hits(r *replica, c call) bool {
	return o.store == c.ofStore() && (o.place < 0 || o.place == r.place || !o.store) && time.Now().Before(o.until)
}
