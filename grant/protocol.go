package grant

import (
	"errors"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// A rotation replaces a token by the next one, once in the fleet. It is a state machine without I/O, clock or
// chance: step takes what came of the last effect and says what to do next. So the table below can be read
// by a person, is walked by a test with a crash at every effect, and is carried out by [Manager.run].
//
// GitHub's refresh tokens are single use, and a refresh kills the old access token at once (GitHub docs,
// "Refreshing user access tokens"). Its phases, in the order in which they happen:
//
//	claiming   write a lease into the grant, on the very version that was read
//	asking     ask GitHub, once
//	storing    a pair came: store it before anybody uses it
//	marking    bad_refresh_token came: read again, and believe it only where nobody else can hold a pair
//	releasing  anything else came: note the failure, give the lease back
type rotation struct {
	name  string // Random. Its writes carry it, so that one whose answer got lost is known for its own.
	owner string // The manager, as leases name it.
	seen  id     // The token to replace.

	phase  phase
	tried  bool // A write of this phase was sent.
	waits  int  // How often it has waited in this phase.
	faults int  // Calls of the store that failed in this phase.

	watched  string        // The write that carries another's lease,
	since    time.Duration // and since when it has stood; or since when the grace runs.
	waited   bool          // For another's refresh.
	tookOver bool          // Another's lease.

	began   *record // The grant as it was claimed.
	version string  // Of began in the store.
	pair    token   // What GitHub issued,
	cause   error   // or said instead,
	failure failure // and what of that goes into the grant.
}

type phase int

const (
	claiming phase = iota
	asking
	storing
	marking
	releasing
)

func (p phase) String() string {
	return [...]string{"claim", "ask", "store", "mark", "release"}[p]
}

// effect is what a rotation wants done next.
type effect struct {
	op      op
	wait    wait    // Before a read.
	record  *record // To write; at the end, the grant as it was last seen.
	version string  // To write over.
	outcome outcome
	err     error // At the end, where there is no token.
}

type op int

const (
	read op = iota
	write
	ask // GitHub, with the token of effect.record.
	end
)

// wait says what a read waits for.
type wait int

const (
	forNothing wait = iota
	forWriter       // Another writer was first, or the read lags behind.
	forLease        // Another's refresh.
	forWinner       // Whoever may hold the pair.
	forOutage       // The store.
)

// outcome is how a rotation ends.
type outcome string

const (
	renewed     outcome = "renewed"     // The pair is stored.
	pending     outcome = "pending"     // The pair waits to be stored: see [pairs].
	adopted     outcome = "adopted"     // Another token is there already.
	gaveWay     outcome = "gave_way"    // The pair is nobody's: the grant was replaced or forgotten meanwhile.
	dead        outcome = "needs_login" // The grant was marked.
	declined    outcome = "declined"    // A mark or a back-off stood in the grant; nothing was asked.
	failed      outcome = "failed"      // GitHub gave no token.
	unavailable outcome = "unavailable" // The store could not be asked.
)

// event is what came of an effect.
type event struct {
	record  *record // Read or written.
	version string
	pair    token
	err     error
	failure failure // What err is to leave in the grant, where GitHub was asked.
	wrote   bool    // The effect was a write.
}

// moment is when a step is taken.
type moment struct {
	wall    time.Time     // The time of day, which other machines may see otherwise.
	elapsed time.Duration // On a stopwatch of this process that began with the rotation, and that nobody sets.
}

// maxFaults is how many calls of the store may fail in a phase before it is left to others, or to later.
const maxFaults = 2

// beginRotation returns a rotation and its first effect.
func beginRotation(owner, name string, seen id) (rotation, effect) {
	return rotation{name: name, owner: owner, seen: seen}, effect{op: read}
}

// step takes what came of the last effect.
func (r rotation) step(ev event, at moment) (rotation, effect) {
	conflict := errors.Is(ev.err, store.ErrConflict)
	if r.phase != asking && ev.err != nil && !conflict {
		r.faults++
	}
	switch {
	case r.phase == asking:
		return r.answered(ev, at)
	case conflict:
		return r.readAgain(forWriter)
	case r.phase == claiming:
		return r.claim(ev, at)
	case r.phase == storing:
		return r.store(ev)
	case r.phase == marking:
		return r.mark(ev, at)
	default:
		return r.release(ev)
	}
}

// 1. Claim the refresh. That this write succeeds also shows that the store can be written, before the refresh
// token is spent.
func (r rotation) claim(ev event, at moment) (rotation, effect) {
	switch now := ev.record; {
	case ev.err != nil && (!r.tried || r.faults >= maxFaults):
		return r.end(unavailable, nil, ev.err)
	case ev.err != nil: // It may have counted.
		return r.readAgain(forOutage)
	case ev.wrote:
		r.began, r.version = now, ev.version
		r.enter(asking)
		return r, effect{op: ask, record: now}
	case r.wrote(now):
		// It had counted. Only one that was answered is a claim, though: where reads may lag behind, none is sure to show it
		// again, and a pair must never be given up because of a state from before.
		return r.write(now.clone(), ev.version)
	case now.lagsBehind(r.seen):
		return r.readAgain(forWriter)
	case now.id() != r.seen:
		return r.end(adopted, now, nil)
	case now.NeedsLogin != "" || now.Failure.holds(at.wall):
		return r.end(declined, now, nil)
	case now.Lease.Owner != "" && now.Lease.Owner != r.owner && !r.stood(now, at):
		r.waited = true
		return r.readAgain(forLease)
	default:
		claimed := now.clone()
		claimed.Lease = lease{Owner: r.owner, Length: leaseLength}
		// A lease that is still there was left by a refresh that could not write its end, also if it was
		// one's own. It may have spent the token.
		claimed.Failure.Unknown = now.Failure.Unknown || now.Lease.Owner != ""
		r.tookOver = now.Lease.Owner != "" && now.Lease.Owner != r.owner
		return r.write(claimed, ev.version)
	}
}

// stood says whether another's lease may be taken over: only after the same write has stood for the lease's whole
// length on this process's own stopwatch, so that no two machines' clocks are ever compared.
func (r *rotation) stood(now *record, at moment) bool {
	if now.WriteID != r.watched {
		r.watched, r.since = now.WriteID, at.elapsed
	}
	return at.elapsed-r.since >= min(now.Lease.Length, 2*leaseLength)
}

// 2. GitHub was asked, once: a second request for an answer that got lost would turn a hiccup into
// bad_refresh_token. What it said decides.
func (r rotation) answered(ev event, at moment) (rotation, effect) {
	switch {
	case ev.err == nil:
		r.pair = ev.pair
		r.enter(storing)
		return r.write(r.renewed(r.began), r.version)
	case errors.Is(ev.err, oauth.ErrSignInAgain):
		r.cause, r.failure, r.since = ev.err, ev.failure, at.elapsed
		r.enter(marking)
		return r, effect{op: read}
	default:
		r.cause, r.failure = ev.err, ev.failure
		r.enter(releasing)
		return r.write(r.released(r.began), r.version)
	}
}

// 3. Store the pair. Neither the lease nor a "needs login" that another wrote meanwhile keeps it out: the
// refresh token is single use, so whoever got the pair is the one winner, and the grant must hold it.
func (r rotation) store(ev event) (rotation, effect) {
	switch now := ev.record; {
	case ev.err != nil && r.faults >= maxFaults:
		return r.end(pending, r.over(r.began), ev.err)
	case ev.err != nil:
		return r.readAgain(forOutage)
	case ev.wrote || r.wrote(now):
		return r.end(renewed, now, nil)
	case now.id() == r.began.id():
		return r.write(r.renewed(now), ev.version)
	case now.lagsBehind(r.began.id()):
		return r.readAgain(forWriter)
	case now.Lineage == r.began.Lineage: // An earlier try had got through, and others have built on it.
		return r.end(renewed, now, nil)
	default:
		return r.end(gaveWay, now, nil)
	}
}

// 4. GitHub said bad_refresh_token. In a fleet that most often means that somebody else was first, so the grant
// is read before it is believed; and where somebody may hold the pair and be slow to store it, they get the
// length of a lease to do so.
func (r rotation) mark(ev event, at moment) (rotation, effect) {
	switch now := ev.record; {
	case ev.err != nil && r.faults >= maxFaults:
		return r.end(unavailable, nil, ev.err) // The lease is taken over after its length, and this found out again.
	case ev.err != nil:
		return r.readAgain(forOutage)
	case ev.wrote || r.wrote(now):
		return r.end(dead, now, nil)
	case now.lagsBehind(r.began.id()):
		return r.readAgain(forWriter)
	case now.id() != r.began.id():
		return r.end(adopted, now, nil)
	case now.NeedsLogin != "":
		return r.end(declined, now, nil)
	case !now.Failure.Unknown: // The lease was taken from nobody, so nobody else has asked.
		return r.write(r.marked(now, ReasonRevoked), ev.version)
	case at.elapsed-r.since < leaseLength:
		return r.readAgain(forWinner)
	default:
		// Whoever has taken the lease over meanwhile asks with the same dead token, or holds the pair and stores it over this
		// mark. To wait for them, too, would be to wait for ever: they in turn would have somebody to wait for.
		return r.write(r.marked(now, ReasonLost), ev.version)
	}
}

// 5. GitHub was away, or refused the app: that says nothing about the user. When to try again goes into the grant,
// so that a fleet does not hammer.
func (r rotation) release(ev event) (rotation, effect) {
	switch now := ev.record; {
	case ev.err != nil: // The lease stays, and is taken over after its length.
		return r.end(failed, nil, r.cause)
	case ev.wrote || r.wrote(now):
		return r.end(failed, now, r.cause)
	case now.id() != r.began.id():
		return r.end(adopted, now, nil)
	case now.Lease.Owner != r.owner: // It was taken over: what comes next is the other's to write.
		return r.end(failed, now, r.cause)
	default:
		return r.write(r.released(now), ev.version)
	}
}

func (r rotation) renewed(now *record) *record {
	n := now.clone()
	n.Token = r.pair
	if n.Token.Scopes == nil {
		n.Token.Scopes = now.Token.Scopes // A refresh can't change them.
	}
	n.Generation = r.began.Generation + 1
	n.Lease, n.Failure, n.NeedsLogin = lease{}, failure{}, ""
	return n
}

func (r rotation) marked(now *record, reason Reason) *record {
	n := r.released(now)
	n.NeedsLogin = reason
	return n
}

func (r rotation) released(now *record) *record {
	n := now.clone()
	n.Lease, n.Failure = lease{}, r.failure
	n.Failure.Unknown = r.failure.Unknown || now.Failure.Unknown
	return n
}

// over returns now with the pair in it, if now is the grant that the pair renews.
func (r rotation) over(now *record) *record {
	if now.id() != r.began.id() {
		return now
	}
	return r.renewed(now)
}

// resume returns a pending rotation with the effect that it goes on with.
func (r rotation) resume(w wait) (rotation, effect) {
	r.faults = 0
	return r.readAgain(w)
}

func (r *rotation) enter(p phase) {
	r.phase, r.tried, r.waits, r.faults = p, false, 0, 0
}

// writeID begins what the writes of this phase carry. What follows is the version that they are written over: the
// repetitions of one write carry the same, since any of them may be the one that counted; and no two states of the grant do,
// since whoever watches a lease goes by it.
func (r rotation) writeID() string { return r.name + "." + r.phase.String() + "." }

// wrote says whether what stands in the store was written in this phase.
func (r rotation) wrote(now *record) bool { return strings.HasPrefix(now.WriteID, r.writeID()) }

func (r rotation) write(n *record, version string) (rotation, effect) {
	n.sign(r.writeID() + version)
	r.tried = true
	return r, effect{op: write, record: n, version: version}
}

func (r rotation) readAgain(w wait) (rotation, effect) {
	r.waits++
	return r, effect{op: read, wait: w}
}

func (r rotation) end(o outcome, now *record, err error) (rotation, effect) {
	return r, effect{op: end, outcome: o, record: now, err: err}
}
