package sim

import (
	"fmt"
	"strings"
	"time"
)

// leaseLength is how long a lease must have stood before another replica may take it over.
const leaseLength = 30 * time.Second

// judge watches every write and every token request, and says which invariant was violated first. It is told all
// things under the world's lock, in the order in which they took effect.
type judge struct {
	found   *violation
	numbers numbers
	telling bool
	story   strings.Builder

	changed  time.Time           // When another sign-in, or none, last took the grant.
	lineages map[string]int      // Each that ever stood, with the sign-in its token came from.
	leases   map[string]*replica // Who an owner's name stands for.
	logins   map[string]bool     // Each that ever stood.
	writes   map[int]int         // Writes of refreshes, by the number of the pair that they replace.
}

type violation struct{ invariant, what string }

// lazy is text that is only made if somebody reads it.
type lazy func() string

func (l lazy) String() string { return l() }

func (w *world) tell(format string, args ...any) {
	if w.judge.telling {
		fmt.Fprintf(&w.judge.story, "%15s  %s\n", time.Since(w.start).Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

func (w *world) violate(invariant, format string, args ...any) {
	if w.judge.found == nil {
		w.judge.found = &violation{invariant, fmt.Sprintf(format, args...)}
		w.tell("VIOLATION of %q: %s", invariant, w.judge.found.what)
	}
}

func (j *judge) hit(f fault) {
	switch f {
	case lostAfter, hangAfter, badGateway, overtaken, slowAfter, ownConflict:
		j.numbers.lost++
	}
}

// The invariants, as grant's protocol states them.
const (
	oneRequest   = "I1 no two requests in flight with one refresh token, unless a lease ran out"
	oneLease     = "I1 a lease is taken over only after its length, and ended by its owner or with a mark"
	newestKept   = "I2 the newest pair is never discarded"
	noFalseMark  = "I3 no grant needs a login while its refresh token is good"
	noHaste      = "I3 who may still store a pair gets the length of a lease before the grant is marked"
	rightReason  = "I3 a grant that needs a login has the right reason"
	nothingBack  = "I4 a refresh brings back no forgotten grant, and overwrites no newer sign-in"
	noGoingBack  = "I5 a lineage's generation never goes back"
	fewRequests  = "I6 without faults a rotation is one token request and two writes"
	nothingLeft  = "I7 a pair that nobody stores is revoked"
	notRevoked   = "I7 a stored pair is not revoked by the app"
	loginsStand  = "I8 a login goes only with a sign-out, and goes for good"
	seenRarely   = "I8 a login's use is noted at most once an hour, and never over a lease"
	loginsCount  = "I8 at rest a session is signed in exactly when its login stands"
	everybodyIn  = "I9 at rest a user with a good grant is served by every replica"
	noneFails    = "I6 without faults no call fails"
	sameEverywhr = "I9 at rest every replica says the same"
)

// wrote judges a write as it takes effect.
func (w *world) wrote(old, now *version) {
	j, g, was, by := &w.judge, &now.grant, &old.grant, now.by
	p, before := w.gh.access[g.Token.AccessToken], w.gh.access[was.Token.AccessToken]
	w.tell("replica %v writes: %v", by, lazy(func() string { return describe(g, p) }))
	if j.lineages == nil {
		j.lineages, j.leases = make(map[string]int), make(map[string]*replica)
		j.logins, j.writes = make(map[string]bool), make(map[int]int)
	}
	if g.Lineage == "" {
		if g.Token.AccessToken != "" || len(g.Logins) > 0 {
			w.violate(nothingBack, "a tombstone with a token or logins")
		}
	} else if p == nil {
		w.violate(newestKept, "replica %v stores a token that GitHub never issued", by)
		return
	}
	if g.Lineage != was.Lineage {
		j.changed = now.at
		w.replaced(before, by)
	}
	switch signIn, known := j.lineages[g.Lineage]; {
	case g.Lineage == "":
	case !known:
		j.lineages[g.Lineage] = p.signIn
		if p.revoked && !p.userRevoked {
			w.violate(notRevoked, "replica %v stores %v, which the app revoked", by, p)
		}
		if p.generation != 0 || g.Generation != 0 {
			w.violate(nothingBack, "a new lineage begins with %v, generation %d", p, g.Generation)
		}
	case g.Lineage != was.Lineage:
		w.violate(nothingBack, "replica %v brings back %v over %v", by, p, before)
	case p.signIn != signIn:
		w.violate(newestKept, "%v stands in the lineage of sign-in %d", p, signIn)
	case g.Generation < was.Generation:
		w.violate(noGoingBack, "replica %v writes %v over %v", by, p, before)
	case p.generation != g.Generation:
		w.violate(noGoingBack, "%v is stored as generation %d", p, g.Generation)
	}
	if p != nil {
		p.stored = true
	}
	if g.Lineage != "" && g.Lineage == was.Lineage {
		w.wroteInLineage(old, now, before, p)
	}
	w.wroteLogins(g, was, by)
}

func (w *world) wroteInLineage(old, now *version, before, p *pair) {
	j, g, was, by := &w.judge, &now.grant, &old.grant, now.by
	if g.NeedsLogin != "" && was.NeedsLogin == "" {
		j.numbers.marked++
		if !p.dead {
			w.violate(noFalseMark, "replica %v marks %v as %s, but its refresh token is good", by, p, g.NeedsLogin)
		}
	}
	if at, ok := p.refused[by]; g.NeedsLogin != "" && was.NeedsLogin == "" && was.Failure.Unknown && ok && now.at.Sub(at) < leaseLength {
		w.violate(noHaste, "replica %v marks %v %v after it was refused", by, p, now.at.Sub(at))
	}
	from, to := was.Lease.Owner, g.Lease.Owner
	if _, known := j.leases[to]; !known && to != "" {
		j.leases[to] = by
	}
	if j.leases[to] != by && to != from && to != "" {
		w.violate(oneLease, "replica %v writes replica %v's lease", by, j.leases[to])
	}
	if g.Generation > was.Generation {
		w.judge.numbers.rotations++
		j.writes[before.n]++
	} else if strings.Contains(g.WriteID, ".") { // A refresh's write names its phase.
		j.writes[p.n]++
	}
	switch stood := now.at.Sub(old.at); {
	case g.Generation > was.Generation || from == "":
	case to == "" && j.leases[from] != by && g.NeedsLogin == "":
		w.violate(oneLease, "replica %v ends replica %v's lease", by, j.leases[from])
	case to != "" && to != from:
		p.doubt, p.moved = true, true
		if stood < leaseLength {
			w.violate(oneLease, "replica %v takes replica %v's lease over after %v", by, j.leases[from], stood)
		}
	case to != "" && g.WriteID != was.WriteID:
		p.doubt = true // An owner's own lease, from a refresh that could not write its end.
	}
}

// wroteLogins checks that logins go by sign-outs alone, that none comes back, and what is noted of their use.
func (w *world) wroteLogins(g, was *grantJSON, by *replica) {
	for id := range was.Logins {
		if _, stands := g.Logins[id]; stands {
			continue
		}
		explained := by.everywhere > 0
		for i, ses := range w.sessions {
			if ses.LoginID == id {
				explained = explained || ses.asked
				w.tell("the login of session %d ends", i)
			}
		}
		if !explained {
			w.violate(loginsStand, "replica %v removes a login that nobody signed out", by)
		}
	}
	for id, login := range g.Logins {
		before, stood := was.Logins[id]
		if !stood && w.judge.logins[id] {
			w.violate(loginsStand, "replica %v brings a login back", by)
		}
		if stood && !login.Seen.Equal(before.Seen) {
			w.judge.numbers.seen++
			if later := login.Seen.Sub(before.lastSeen()); later < hour || was.Lease.Owner != "" {
				w.violate(seenRarely, "replica %v notes a use %v after the last, lease %q", by, later, was.Lease.Owner)
			}
		}
		w.judge.logins[id] = true
	}
}

func (w *world) signedIn(loginID string) {
	if !w.judge.logins[loginID] {
		w.violate(loginsStand, "a sign-in was reported that never stood in the store")
	}
}

func (w *world) signedOut(ses *session) {
	if _, stands := w.shelf.newest().grant.Logins[ses.LoginID]; stands {
		w.violate(loginsStand, "a sign-out was reported, but the login stands")
	}
}

// replaced notes who must revoke a pair that another grant, or none, took the place of.
func (w *world) replaced(p *pair, by *replica) {
	if p != nil {
		p.dropped = append(p.dropped, by)
	}
}

// asks judges a token request as it begins, and returns what is to be called at its end, without the lock.
func (w *world) asks(r *replica, refresh string, f fault) func(answered bool) {
	p := w.gh.refresh[refresh]
	if p == nil {
		w.violate(newestKept, "replica %v asks with a refresh token that GitHub never issued", r)
		return func(bool) {}
	}
	w.tell("replica %v asks GitHub to refresh %v", r, p)
	if w.shelf.newest().grant.Token.RefreshToken == refresh {
		p.asked++
		if p.asking > 0 && !p.moved {
			w.violate(oneRequest, "replica %v asks with %v while another does", r, p)
		}
	} else if f != none {
		p.unending = true // What is to be revoked is refreshed first, if it has expired.
	}
	p.asking++
	return func(answered bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		p.asking--
		p.doubt = p.doubt || !answered
	}
}

func (w *world) refused(r *replica, refresh string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.gh.refresh[refresh]; p != nil {
		if p.refused == nil {
			p.refused = make(map[*replica]time.Time)
		}
		p.refused[r] = time.Now()
	}
}

// revokes judges a revocation as it is asked for.
func (w *world) revokes(r *replica, access string, f fault) {
	p := w.gh.access[access]
	if p == nil {
		w.violate(nothingLeft, "replica %v revokes a token that GitHub never issued", r)
		return
	}
	w.tell("replica %v revokes %v", r, p)
	if w.shelf.newest().grant.Token.AccessToken == access && w.shelf.newest().grant.Lineage != "" {
		w.violate(notRevoked, "replica %v revokes %v, which is stored", r, p)
	}
	if f != none {
		p.unending = true
	}
}

func describe(g *grantJSON, p *pair) string {
	if g.Lineage == "" {
		return "a tombstone"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d logins", p, len(g.Logins))
	if g.Lease.Owner != "" {
		fmt.Fprintf(&b, ", lease %s", g.Lease.Owner[:4])
	}
	if g.Failure.Count > 0 {
		fmt.Fprintf(&b, ", %d failures", g.Failure.Count)
	}
	if g.Failure.Unknown {
		b.WriteString(", unknown")
	}
	if g.NeedsLogin != "" {
		fmt.Fprintf(&b, ", needs a login: %s", g.NeedsLogin)
	}
	return b.String()
}
