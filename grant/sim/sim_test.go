package sim

import (
	"flag"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestFleet runs schedules, each from a seed of its own, until one violates an invariant; that one is made as small as
// it goes. By default some seconds' worth. GHLOGIN_SOAK=10m runs for so long instead, and tells how far it got;
// GHLOGIN_SIM_SEED=n begins with another seed than a fresh one. -rapid.seed=n runs the schedule of that seed alone.
func TestFleet(t *testing.T) {
	if value := flag.Lookup("rapid.seed").Value.String(); value != "0" {
		seed, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		shrink(t, seed)
		return
	}
	h := &hunt{seed: new(maphash.Hash).Sum64() >> 1, most: schedules, start: time.Now()}
	if text := os.Getenv("GHLOGIN_SIM_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("GHLOGIN_SIM_SEED: %v", err)
		}
		h.seed = seed
	}
	if text := os.Getenv("GHLOGIN_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("GHLOGIN_SOAK: %v", err)
		}
		h.most, h.until = 1<<62, h.start.Add(d)
	}
	t.Run("shards", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				h.shard(t)
			})
		}
	})
	t.Log(h)
	if seed := h.failing.Load(); seed != 0 {
		shrink(t, seed)
		t.Fatalf("%s\n%s\nThis came of the schedule of seed %d, and did not come again: it takes luck with the pauses. Try\n"+
			"-rapid.seed=%d some more times. The schedule:\n%v",
			h.found.invariant, h.found.what, seed, seed, drawSchedule.Example(int(seed)))
	}
}

// hunt is the search for a schedule that violates an invariant.
type hunt struct {
	seed    uint64 // Of the first schedule; each next one has the next number, mixed.
	most    int64
	until   time.Time // Zero if most counts.
	start   time.Time
	next    atomic.Int64
	failing atomic.Uint64

	mu      sync.Mutex
	numbers numbers
	told    time.Time
	found   *violation
}

func (h *hunt) shard(t *testing.T) {
	t.Helper()
	var n numbers
	for h.failing.Load() == 0 {
		i := h.next.Add(1) - 1
		if i >= h.most {
			break
		}
		seed := mix(h.seed + uint64(i))
		sch := drawSchedule.Example(int(seed))
		found, got, _ := run(t, &sch, false)
		got.schedules = 1
		n.add(got)
		if found != nil {
			h.fail(seed, found)
		}
		if i%256 == 0 && !h.until.IsZero() {
			h.tell(n)
			n = numbers{}
			if time.Now().After(h.until) {
				break
			}
		}
	}
	h.tell(n)
}

// fail ends the search.
func (h *hunt) fail(seed uint64, found *violation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil {
		h.found = found
		h.failing.Store(seed)
	}
}

// tell adds numbers up, and prints them every now and then in a soak.
func (h *hunt) tell(n numbers) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.numbers.add(n)
	if !h.until.IsZero() && time.Since(h.told) > 10*time.Second {
		h.told = time.Now()
		fmt.Println(h)
	}
}

func (h *hunt) String() string {
	n := h.numbers
	took := time.Since(h.start)
	failed := 0
	if h.failing.Load() != 0 {
		failed = 1
	}
	return fmt.Sprintf("seed %d: %d schedules, %d rotations, %d sign-ins, %d crashes, %d lost answers, %d calls, "+
		"%d marks, %d uses of logins noted, %d violations, %v, %v a schedule",
		h.seed, n.schedules, n.rotations, n.signIns, n.crashes, n.lost, n.calls, n.marked, n.seen, failed,
		took.Round(time.Second), (took / time.Duration(max(n.schedules, 1))).Round(time.Microsecond))
}

// mix spreads numbers over all seeds; the runs of close seeds would otherwise share schedules.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) >> 1
}

// shrink has rapid make the schedule of a seed as small as it goes while it violates the same invariant, and fails with
// what is left. Managers spread their pauses at random, so a schedule is tried several times before it counts as good,
// and one that failed once counts as failing.
func shrink(t *testing.T, seed uint64) {
	t.Helper()
	for name, value := range map[string]string{
		"rapid.seed": strconv.FormatUint(seed, 10), "rapid.checks": "1", "rapid.nofailfile": "true",
	} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	var invariant string
	tries := 500
	failed := make(map[string]string)
	rapid.Check(t, func(rt *rapid.T) {
		sch := drawSchedule.Draw(rt, "schedule")
		text := sch.String()
		story, known := failed[text]
		for try := 0; try < tries && !known; try++ {
			found, _, told := run(t, &sch, true)
			if found == nil || invariant != "" && found.invariant != invariant {
				continue
			}
			if invariant == "" {
				tries = 4 + min(4*try, 60)
			}
			invariant, known = found.invariant, true
			story = fmt.Sprintf("%s\n%s\n\n%s\n%s", found.invariant, found.what, text, told)
			failed[text] = story
		}
		if known {
			rt.Logf("%s", story)
			rt.Fatalf("%s", invariant)
		}
	})
}
