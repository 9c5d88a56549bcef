package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a fleet with its store and its GitHub, for the length of one schedule, in one bubble.
type world struct {
	sch   *schedule
	start time.Time
	wg    sync.WaitGroup // Of callers, and of whatever else the schedule set off.

	mu       sync.Mutex
	gh       github
	shelf    shelf
	replicas []*replica // The live ones, by place.
	all      []*replica
	sessions []*session
	armed    []*armedFault
	outages  []outageNow
	judge    judge
}

type armedFault struct {
	on     call
	place  int // -1 is any.
	passes int
	fault  fault
	lasts  time.Duration
}

type outageNow struct {
	store bool
	place int // -1 is all.
	fault fault
	until time.Time
}

// numbers is what schedules came to.
type numbers struct{ schedules, rotations, crashes, lost, signIns, marked, calls, seen int64 }

func (n *numbers) add(o numbers) {
	n.schedules += o.schedules
	n.rotations += o.rotations
	n.crashes += o.crashes
	n.lost += o.lost
	n.signIns += o.signIns
	n.marked += o.marked
	n.calls += o.calls
	n.seen += o.seen
}

// run runs a schedule and returns what it violated. With a story, it also tells what happened.
func run(t *testing.T, sch *schedule, tell bool) (found *violation, n numbers, story string) {
	t.Helper()
	w := &world{sch: sch}
	w.judge.telling = tell
	defer func() {
		// A goroutine that is left behind when all is over is a deadlock to the bubble.
		if p := recover(); p != nil {
			if text := fmt.Sprint(p); strings.HasPrefix(text, "deadlock") {
				found = &violation{"no goroutine is left after Close", text}
				return
			}
			panic(p)
		}
	}()
	synctest.Test(t, func(*testing.T) { w.live() })
	return w.judge.found, w.judge.numbers, w.judge.story.String()
}

func (w *world) live() {
	w.start = time.Now()
	for place := range w.sch.Clocks {
		w.replicas = append(w.replicas, w.newReplica(place))
	}
	w.signIn(w.replicas[0])
	for _, e := range w.sch.Epochs {
		w.await(e.Begin)
		for i := range e.Steps {
			w.take(&e.Steps[i])
			if w.failed() {
				break
			}
		}
	}
	w.rest()
}

// fleet is the replicas that live now. One may be crashing behind the schedule's back.
func (w *world) fleet() []*replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.replicas)
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.judge.found != nil
}

// await waits for the age of the token at which an epoch begins.
func (w *world) await(b begin) {
	w.mu.Lock()
	expiry := time.Now()
	if n := len(w.gh.pairs); n > 0 {
		expiry = w.gh.pairs[n-1].expiry
	}
	w.mu.Unlock()
	switch b {
	case expired:
		time.Sleep(time.Until(expiry) + 1)
	case inMargin:
		time.Sleep(time.Until(expiry) - 4*minute)
	case ahead:
		time.Sleep(10 * minute)
	}
}

func (w *world) take(st *step) {
	time.Sleep(st.After)
	w.mu.Lock()
	r := w.replicas[st.Replica%len(w.replicas)]
	place := r.place
	if st.Any {
		place = -1
	}
	w.tell("%v", lazy(func() string { return "* " + st.what(len(w.replicas)) }))
	switch st.Do {
	case armFault:
		w.armed = append(w.armed, &armedFault{on: st.On, place: place, passes: st.Times, fault: st.Fault, lasts: st.Lasts})
	case outage:
		w.outages = append(w.outages, outageNow{st.On.ofStore(), place, st.Fault, time.Now().Add(st.Lasts)})
	case lag:
		r.lags, r.lagsUntil = st.Times, time.Now().Add(st.Lasts)
	case userRevokes:
		w.gh.revokeAll()
	}
	w.mu.Unlock()
	switch st.Do {
	case callAPI, takeToken:
		for range st.Times {
			w.wg.Go(func() { w.call(r, st.Do, st.Hangs) })
		}
	case crash:
		r.crash()
	case closeReplica:
		w.close(r, true)
	case signIn:
		w.wg.Go(func() { w.signIn(r) })
	case signOut:
		w.wg.Go(func() { w.signOut(r, st.Times) })
	case lookAt:
		w.wg.Go(func() { w.lookAt(r, st.Times) })
	case signOutEverywhere:
		w.wg.Go(func() { w.signOutEverywhere(r) })
	}
}

// rest ends all faults, gives the fleet time, and has the judge look at where it came to rest.
func (w *world) rest() {
	w.mu.Lock()
	w.armed, w.outages = nil, nil
	for _, r := range w.replicas {
		if r.lagsUntil.After(time.Now()) {
			r.lagsUntil = time.Now()
		}
	}
	w.tell("the faults end")
	w.mu.Unlock()
	if !w.failed() {
		time.Sleep(hour)
		w.everyReplicaCalls()
		time.Sleep(time.Minute)
		w.verdict(w.everyReplicaCalls())
	}
	if !w.failed() {
		w.await(expired)
		w.verdict(w.everyReplicaCalls())
		w.lookups()
	}
	for _, r := range w.fleet() {
		w.close(r, false)
	}
	w.wg.Wait()
	time.Sleep(2 * minute) // For answers that nobody waits for any more.
	w.lastVerdict()
}
