package sim

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// schedule is one story: what is done to a fleet, and when. It is drawn as data before anything runs, so that rapid
// can take parts of it away until only those are left that a violation needs.
type schedule struct {
	Calm      bool            // Nothing goes wrong, so that more can be asked of the fleet.
	Seed      uint64          // Of the latencies of calls without a fault.
	Clocks    []time.Duration // One a replica: by how much its clock is off.
	Staleness time.Duration   // grant.WithStaleness.
	Keep      bool            // grant.WithKeepTokens.
	Epochs    []epoch
}

// epoch is a time in which much happens. It begins at a certain age of the token.
type epoch struct {
	Begin begin
	Steps []step
}

type begin int

const (
	atOnce   begin = iota
	expired        // The token ran out a moment ago.
	inMargin       // It will soon, and is refreshed behind requests.
	ahead          // Ten minutes later, whatever the token.
)

func (b begin) String() string {
	return [...]string{"at once", "when the token has run out", "shortly before it runs out", "10m later"}[b]
}

// step is one thing that is done to the fleet. Which fields count depends on what it is.
type step struct {
	After   time.Duration // Since the step before.
	Do      action
	Replica int
	Times   int           // Callers; for signOut, which session; for a fault, how many calls pass before.
	Hangs   time.Duration // When callers hang up; 0 is never.
	On      call          // For a fault: which call it hits.
	Any     bool          // It hits any replica's.
	Fault   fault
	Lasts   time.Duration // Of slow calls, outages and lagging reads.
}

type action int

const (
	callAPI action = iota
	takeToken
	armFault
	crash
	signIn
	signOut
	outage // Of the store, for one replica or all; of GitHub where On is one of its calls.
	lag    // Reads of a replica lag behind.
	signOutEverywhere
	userRevokes
	closeReplica
	lookAt // The user looks at a page, which asks GitHub nothing.
)

// call is one kind of call that a replica makes.
type call int

const (
	refreshCall call = iota
	put
	get
	exchangeCall
	userCall
	revokeCall
	checkCall
)

func (c call) String() string {
	return [...]string{"refresh", "put", "get", "exchange", "GET /user", "revoke", "check"}[c]
}

func (c call) ofStore() bool { return c == put || c == get }

// fault is what goes wrong with one call.
type fault int

const (
	none       fault = iota
	crashAfter       // The replica crashes at the very moment the call took effect.
	lostAfter        // It took effect, and the connection broke.
	lostBefore       // The connection broke first.
	slowBefore       // It takes effect late,
	slowAfter        // or is answered late.
	overtaken        // It takes effect after the caller has given up.
	hangBefore       // It is never answered, and takes no effect,
	hangAfter        // or does.
	crashBefore
	cutOff      // It takes effect, and from then on the replica has no store.
	unavailable // 503 or the store's error, without effect.
	refused     // No connection.
	badGateway  // 502 after the effect.
	limited     // 429.
	forbidden   // 403.
	wrongSecret
	ownConflict // ErrConflict after the effect: a client below sent the Put twice.
)

func (f fault) String() string {
	return [...]string{
		"none", "crash after its effect", "answer lost", "request lost", "late effect", "late answer",
		"effect after the caller gave up", "no answer and no effect", "no answer", "crash before it", "no store from then on",
		"unavailable",
		"connection refused", "502 after its effect", "429", "403", "wrong client secret", "a conflict with itself",
	}[f]
}

const ms, sec, minute, hour = time.Millisecond, time.Second, time.Minute, time.Hour

var (
	pauses  = []time.Duration{0, 5 * ms, 60 * ms, 150 * ms, 700 * ms, 3 * sec, 11 * sec, 31 * sec, 70 * sec, 6 * minute}
	hangUps = []time.Duration{0, 0, 0, 30 * ms, 2 * sec}
	lengths = []time.Duration{2 * sec, 500 * ms, 6 * sec, 9 * sec, 20 * sec, 75 * sec, 35 * sec, 3 * minute, 20 * minute}
	clocks  = []time.Duration{0, 0, 0, 0, 0, 3 * hour, -3 * hour, 20 * minute, -26 * hour}

	// Often is listed often.
	calmActions = []action{callAPI, callAPI, signIn, callAPI, takeToken, signOut, userRevokes, signOutEverywhere, closeReplica, lookAt}
	actions     = []action{
		callAPI, callAPI, armFault, armFault, callAPI, armFault, crash, callAPI, signIn, armFault, takeToken, outage,
		signOut, callAPI, armFault, lag, outage, userRevokes, signOutEverywhere, closeReplica, lookAt, lookAt,
	}
	calls  = []call{refreshCall, put, refreshCall, put, get, refreshCall, put, get, userCall, exchangeCall, revokeCall, checkCall}
	faults = []fault{
		crashAfter, lostAfter, cutOff, slowBefore, slowAfter, overtaken, lostBefore, hangAfter, cutOff, crashAfter, hangBefore,
		crashBefore, unavailable, badGateway, refused, limited, wrongSecret, forbidden,
	}
	storeFaults = []fault{
		crashAfter, lostAfter, slowBefore, slowAfter, overtaken, lostBefore, hangAfter, ownConflict, hangBefore, crashBefore,
		unavailable,
	}
	outages = []fault{unavailable, hangBefore, refused, wrongSecret, limited}
)

var (
	drawCalm     = rapid.SampledFrom([]bool{false, false, false, false, false, false, false, true})
	drawClocks   = rapid.SliceOfN(rapid.SampledFrom(clocks), 2, 4)
	drawEpochs   = epochsOf(actions)
	calmEpochs   = epochsOf(calmActions)
	drawSchedule = rapid.Custom(func(t *rapid.T) schedule {
		sch := schedule{
			Calm:      drawCalm.Draw(t, "calm"),
			Seed:      uint64(rapid.Uint32().Draw(t, "seed")),
			Clocks:    drawClocks.Draw(t, "clocks"),
			Staleness: rapid.SampledFrom([]time.Duration{0, 10 * sec}).Draw(t, "staleness"),
			Keep:      rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "keep"),
		}
		if sch.Calm {
			clear(sch.Clocks)
			sch.Epochs = calmEpochs.Draw(t, "epochs")
		} else {
			sch.Epochs = drawEpochs.Draw(t, "epochs")
		}
		return sch
	})
)

func epochsOf(actions []action) *rapid.Generator[[]epoch] {
	begins := rapid.SampledFrom([]begin{expired, inMargin, expired, ahead, atOnce})
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step { return drawStep(t, actions) }), 1, 10)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) epoch {
		return epoch{Begin: begins.Draw(t, "begin"), Steps: steps.Draw(t, "steps")}
	}), 1, 7)
}

func drawStep(t *rapid.T, actions []action) step {
	st := step{
		After:   rapid.SampledFrom(pauses).Draw(t, "after"),
		Do:      rapid.SampledFrom(actions).Draw(t, "do"),
		Replica: rapid.IntRange(0, 3).Draw(t, "replica"),
	}
	switch st.Do {
	case callAPI, takeToken:
		st.Times = rapid.IntRange(1, 3).Draw(t, "times")
		st.Hangs = rapid.SampledFrom(hangUps).Draw(t, "hangs")
	case signOut, lookAt:
		st.Times = rapid.IntRange(0, 3).Draw(t, "session")
	case armFault:
		st.On = rapid.SampledFrom(calls).Draw(t, "on")
		st.Times = rapid.IntRange(0, 2).Draw(t, "passes")
		st.Any = rapid.Bool().Draw(t, "any")
		what, howLong := faults, lengths
		if st.On.ofStore() {
			what = storeFaults
		}
		st.Fault = rapid.SampledFrom(what).Draw(t, "fault")
		if st.Fault == cutOff {
			howLong = lengths[5:]
		}
		st.Lasts = rapid.SampledFrom(howLong).Draw(t, "lasts")
	case outage:
		st.On = rapid.SampledFrom([]call{put, refreshCall}).Draw(t, "on")
		st.Any = rapid.Bool().Draw(t, "any")
		from := outages
		if st.On.ofStore() {
			from = outages[:2]
		}
		st.Fault = rapid.SampledFrom(from).Draw(t, "fault")
		st.Lasts = rapid.SampledFrom(lengths).Draw(t, "lasts")
	case lag:
		st.Times = rapid.IntRange(1, 3).Draw(t, "versions")
		st.Lasts = rapid.SampledFrom(lengths[:4]).Draw(t, "lasts")
	}
	return st
}

// String tells the story.
func (sch schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d replicas, clocks off by %v, staleness %v, tokens kept %v, latencies of seed %d; a user is signed in\n",
		len(sch.Clocks), sch.Clocks, sch.Staleness, sch.Keep, sch.Seed)
	for _, e := range sch.Epochs {
		fmt.Fprintf(&b, "%v:\n", e.Begin)
		for _, st := range e.Steps {
			fmt.Fprintf(&b, "  +%-6v %v\n", st.After, st.what(len(sch.Clocks)))
		}
	}
	return b.String()
}

func (st step) what(replicas int) string {
	who := fmt.Sprintf("replica %d", st.Replica%replicas)
	hit := who + "'s"
	if st.Any {
		hit = "any replica's"
	}
	hangs := ""
	if st.Hangs > 0 {
		hangs = fmt.Sprintf(", hanging up after %v", st.Hangs)
	}
	switch st.Do {
	case callAPI:
		return fmt.Sprintf("%s: %d callers of the API%s", who, st.Times, hangs)
	case takeToken:
		return fmt.Sprintf("%s: %d callers of Token%s", who, st.Times, hangs)
	case armFault:
		return fmt.Sprintf("fault: %s %s after %d more: %v (%v)", hit, st.On, st.Times, st.Fault, st.Lasts)
	case crash:
		return who + " crashes, a new one takes its place"
	case signIn:
		return who + ": the user signs in with another browser"
	case signOut:
		return fmt.Sprintf("%s: session %d signs out", who, st.Times)
	case lookAt:
		return fmt.Sprintf("%s: session %d looks at a page", who, st.Times)
	case signOutEverywhere:
		return who + ": the user signs out everywhere"
	case userRevokes:
		return "the user revokes the app at GitHub"
	case closeReplica:
		return who + " is closed, a new one takes its place"
	case outage:
		what := "the store, for " + strings.TrimSuffix(hit, "'s")
		if !st.On.ofStore() {
			what = "GitHub"
		}
		return fmt.Sprintf("outage of %s, for %v: %v", what, st.Lasts, st.Fault)
	case lag:
		return fmt.Sprintf("reads of %s lag %d versions behind, for %v", who, st.Times, st.Lasts)
	}
	return "?"
}
