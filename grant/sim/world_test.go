package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
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
	lostPut    bool      // A Put of it was carried out without an answer.
	cutOff     bool      // Close ended work before it was done.
	away       time.Time // When a call of the store last met a fault.
	blind      bool      // That was just before, or while, it was closed: it could not see what to revoke.
	floor      int       // The version of its newest Put that was answered.
	lags       int
	lagsUntil  time.Time
}

func (r *replica) String() string { return fmt.Sprint(r.n) }

type session struct {
	grant.Session
	asked bool // To end.
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
type numbers struct{ schedules, rotations, crashes, lost, signIns, marked, calls, aside int64 }

func (n *numbers) add(o numbers) {
	n.schedules += o.schedules
	n.rotations += o.rotations
	n.crashes += o.crashes
	n.lost += o.lost
	n.signIns += o.signIns
	n.marked += o.marked
	n.calls += o.calls
	n.aside += o.aside
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

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.judge.found != nil
}

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
	r.m, err = grant.New(app, handle{r}, grant.WithTransport(door{r}), grant.WithStaleness(w.sch.Staleness))
	if err != nil {
		panic(err)
	}
	w.all = append(w.all, r)
	return r
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
	case signOutEverywhere:
		w.wg.Go(func() { w.signOutEverywhere(r) })
	}
}

// lagged says that what the replica does now may come from a read that lagged behind.
func (r *replica) lagged() bool { return time.Since(r.lagsUntil) < minute }

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
	w.wg.Go(func() { _ = r.m.Close(r.ctx) }) // Frees its goroutines.
}

// close ends a replica in good order.
func (w *world) close(r *replica, replace bool) {
	w.mu.Lock()
	if r.crashed.Load() || r.closing.Swap(true) {
		w.mu.Unlock()
		return
	}
	r.blind = time.Since(r.away) < minute
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

// call is a caller who acts for the user.
func (w *world) call(r *replica, do action, hangsUp time.Duration) (status int, err error) {
	ctx := r.ctx
	if hangsUp > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hangsUp)
		defer cancel()
	}
	w.mu.Lock()
	w.judge.numbers.calls++
	before := w.good()
	w.mu.Unlock()
	if do == takeToken {
		_, err = r.m.Token(ctx, userID)
		status = http.StatusOK
	} else {
		status, err = w.get(ctx, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.tell("a caller at replica %v: %v", r, err)
	}
	if r.crashed.Load() || ctx.Err() != nil || !w.sch.Calm || r.closing.Load() {
		return status, err
	}
	if after := w.good(); before >= 0 && before == after && (err != nil || status != http.StatusOK) {
		w.violate(noneFails, "a caller at replica %v got %d, %v", r, status, err)
	}
	return status, err
}

// good is which sign-in's token is stored, can be refreshed, and has stood for so long that all replicas know of it;
// -1 if none.
func (w *world) good() int {
	p := w.gh.access[w.shelf.newest().grant.Token.AccessToken]
	if p == nil || p.userRevoked || time.Since(w.judge.changed) < w.sch.Staleness {
		return -1
	}
	return p.signIn
}

func (w *world) get(ctx context.Context, r *replica) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.github.com/user", nil)
	if err != nil {
		return 0, err
	}
	resp, err := r.m.HTTPClient(userID).Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

var verifier = oauth.NewSecret("a-verifier-of-forty-three-characters-or-more")

func (w *world) signIn(r *replica) {
	w.mu.Lock()
	code := w.gh.code()
	w.judge.numbers.signIns++
	w.mu.Unlock()
	got, _, err := r.m.SignIn(r.ctx, code, verifier, grant.Login{Lifetime: 30 * 24 * hour})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || r.crashed.Load() {
		w.tell("sign-in through replica %v: %v", r, err)
		return
	}
	w.tell("session %d is signed in through replica %v", len(w.sessions), r)
	w.sessions = append(w.sessions, &session{Session: got})
	w.signedIn(got.LoginID)
}

func (w *world) signOut(r *replica, which int) {
	w.mu.Lock()
	if len(w.sessions) == 0 {
		w.mu.Unlock()
		return
	}
	ses := w.sessions[which%len(w.sessions)]
	ses.asked = true
	w.mu.Unlock()
	err := r.m.SignOut(r.ctx, ses.Session)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell("sign-out through replica %v: %v", r, err)
	if err == nil && !r.crashed.Load() {
		w.signedOut(r, ses)
	}
}

func (w *world) signOutEverywhere(r *replica) {
	w.mu.Lock()
	r.everywhere++
	before := append([]*session(nil), w.sessions...)
	w.mu.Unlock()
	err := r.m.SignOutEverywhere(r.ctx, userID)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell("sign-out everywhere through replica %v: %v", r, err)
	if err == nil && !r.crashed.Load() {
		r.everywhere-- // Otherwise it may still take effect.
		for _, ses := range before {
			ses.asked = true
			w.signedOut(r, ses)
		}
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
	for _, r := range w.replicas {
		w.close(r, false)
	}
	w.wg.Wait()
	time.Sleep(2 * minute) // For answers that nobody waits for any more.
	w.lastVerdict()
}

type called struct {
	r      *replica
	status int
	err    error
}

func (w *world) everyReplicaCalls() []called {
	out := make([]called, len(w.replicas))
	var wg sync.WaitGroup
	for i, r := range w.replicas {
		wg.Go(func() {
			status, err := w.call(r, callAPI, 0)
			out[i] = called{r, status, err}
		})
	}
	wg.Wait()
	return out
}

// lookups checks every session on every replica against the stored grant.
func (w *world) lookups() {
	for _, r := range w.replicas {
		for i, ses := range w.sessions {
			_, _, err := r.m.Lookup(r.ctx, ses.Session)
			w.mu.Lock()
			_, stands := w.shelf.newest().grant.Logins[ses.LoginID]
			if stands != (err == nil) || !stands && !errors.Is(err, grant.ErrSignedOut) {
				w.violate(loginsCount, "session %d at replica %v: stands %v, Lookup %v", i, r, stands, err)
			}
			w.mu.Unlock()
		}
	}
}
