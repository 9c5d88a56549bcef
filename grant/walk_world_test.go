package grant

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// budget is how much may go wrong in one walk.
type budget struct {
	replicas  int
	rotations int // Of each replica.
	crashes   int
	lost      int // Answers of the store or GitHub, with or without the effect.
	refusals  int // 429, 5xx and the like.
	expiries  int // Leases and graces that end before their owner does.
	stale     int // Reads that lag behind other replicas' writes, by one.
	signIns   int
	signOuts  int
	logins    int // Changes of the logins alone, which keep the token and a lease.
	late      int // Writes that are given up while they are still on their way.
	revokes   int // By the user, at GitHub.
}

// world is one state. It is copied, never shared.
type world struct {
	stored  *record // Nobody changes one that is written.
	older   *record // What stood there before.
	version int
	live    map[string]string // GitHub's live refresh token of each lineage.
	spent   map[string]bool   // Lineages of which a pair was lost in the window that can't be closed.
	outrun  map[string]bool   // Replicas whose lease ended before their request did.
	grace   bool              // A grace ended.
	revoked map[string]bool   // Lineages that the user revoked at GitHub.
	late    []effect          // Writes on their way that nobody waits for any more.
	left    budget
	all     []replica
	trace   *step
}

type replica struct {
	crashed bool
	r       rotation
	do      effect
	idle    bool // Its rotation is over.
	started int
	wrote   int // The newest version of its own: what it reads is not older.
}

// step is how a state was reached, for the message of a failure.
type step struct {
	before *step
	what   string
}

func (w *world) clone() *world {
	c := *w
	c.live, c.spent, c.outrun = maps.Clone(w.live), maps.Clone(w.spent), maps.Clone(w.outrun)
	c.revoked, c.late = maps.Clone(w.revoked), slices.Clone(w.late)
	c.all = slices.Clone(w.all)
	return &c
}

// key tells states apart. It is most of what a walk costs, so it is made without fmt.
func (w *world) key() string {
	b := make([]byte, 0, 512)
	text := func(all ...string) {
		for _, s := range all {
			b = append(append(b, s...), ',')
		}
	}
	number := func(all ...int) {
		for _, n := range all {
			b = append(b, byte(n))
		}
	}
	flags := func(all ...bool) {
		for _, f := range all {
			if f {
				b = append(b, '+')
			} else {
				b = append(b, '-')
			}
		}
	}
	grant := func(r *record) {
		if r == nil {
			text("none")
			return
		}
		text(r.Lineage, r.Token.RefreshToken.Reveal(), r.Lease.Owner, string(r.NeedsLogin), r.WriteID)
		number(int(r.Generation))
		flags(r.Failure.Unknown)
	}
	grant(w.stored)
	if w.left.stale > 0 {
		grant(w.older)
	}
	number(w.version, w.left.crashes, w.left.lost, w.left.refusals, w.left.expiries, w.left.stale, w.left.signIns, w.left.signOuts, w.left.logins, w.left.late, w.left.revokes)
	flags(w.grace)
	for _, write := range w.late {
		text(write.version)
		grant(write.record)
	}
	for _, lineage := range []string{"a", "b"} {
		text(w.live[lineage])
		flags(w.spent[lineage], w.revoked[lineage])
	}
	for _, owner := range slices.Sorted(maps.Keys(w.outrun)) {
		text(owner)
	}
	for i := range w.all {
		p := &w.all[i]
		flags(p.crashed, p.idle, p.r.tried)
		number(p.started, int(p.r.phase), p.r.faults, int(p.do.op), int(p.do.wait), int(p.r.seen.generation))
		text(p.r.owner, p.r.seen.lineage, p.r.watched, p.r.pair.RefreshToken.Reveal(), p.do.version, string(p.do.outcome))
		if w.left.stale > 0 {
			number(p.wrote)
		}
		grant(p.r.began)
		grant(p.do.record)
	}
	return string(b)
}

var (
	errStoreAway = errors.New("the store is away")
	errDead      = &oauth.Error{Code: oauth.CodeBadRefreshToken}
	errAway      = &oauth.Error{Class: oauth.ErrTryLater}
)

func refreshToken(lineage string, generation int64) token {
	name := fmt.Sprintf("%s%d", lineage, generation)
	return token{AccessToken: written{oauth.NewSecret("access-" + name)}, RefreshToken: written{oauth.NewSecret(name)}}
}

// next returns the states that one event leads to.
func (w *world) next() (states []*world) {
	try := func(what string, change func(w *world)) {
		c := w.clone()
		change(c)
		c.trace = &step{w.trace, what}
		states = append(states, c)
	}
	for i, p := range w.all {
		name := fmt.Sprintf("replica %d", i)
		if !p.crashed && w.left.crashes > 0 {
			try(name+" dies", func(c *world) { c.left.crashes--; c.crash(i) })
		}
		switch {
		case p.crashed && p.started < w.left.rotations, p.idle && !p.crashed && p.started < w.left.rotations:
			if w.stored.Lineage != "" && w.stored.NeedsLogin == "" {
				try(name+" begins", func(c *world) { c.begin(i) })
			}
		case p.crashed || p.idle:
		default:
			w.carryOut(i, name, try)
		}
	}
	if w.left.signIns > 0 {
		try("the user signs in", func(c *world) {
			c.left.signIns--
			lineage := string(rune('a' + len(c.live)))
			c.live[lineage] = lineage + "0"
			c.revoke(c.stored.Lineage)
			c.put(&record{Lineage: lineage, Token: refreshToken(lineage, 0), WriteID: "sign-in " + lineage})
		})
	}
	if w.left.signOuts > 0 && w.stored.Lineage != "" {
		try("the user signs out", func(c *world) {
			c.left.signOuts--
			c.revoke(c.stored.Lineage)
			c.put(&record{WriteID: "sign-out"})
		})
	}
	if w.left.logins > 0 && w.stored.Lineage != "" {
		try("one of the user's browsers signs out", func(c *world) {
			n := c.stored.clone()
			n.WriteID = fmt.Sprintf("log-out %d", c.left.logins)
			c.left.logins--
			c.put(n)
		})
	}
	if w.left.revokes > 0 && w.stored.Lineage != "" && !w.revoked[w.stored.Lineage] {
		try("the user revokes the token at GitHub", func(c *world) {
			c.left.revokes--
			c.revoke(c.stored.Lineage)
			c.revoked[c.stored.Lineage] = true
		})
	}
	for i, write := range w.late {
		try("a write that was given up arrives", func(c *world) {
			c.late = slices.Delete(c.late, i, i+1)
			if write.version == fmt.Sprint(c.version) {
				c.put(write.record)
			}
		})
	}
	return states
}

// carryOut has one replica's effect happen, in each way in which it can.
func (w *world) carryOut(i int, name string, try func(string, func(*world))) {
	do := w.all[i].do
	after := func(what string, ev event, change func(*world), elapsed ...time.Duration) {
		try(fmt.Sprintf("%s: %s %s", name, w.all[i].r.phase, what), func(c *world) {
			change(c)
			c.feed(i, ev, append(elapsed, 0)[0])
		})
	}
	switch do.op {
	case read:
		ev := event{record: w.stored, version: fmt.Sprint(w.version)}
		after("reads", ev, func(*world) {})
		// Nothing is lost by waiting for the dead, so that this is in no budget.
		vain := do.wait == forLease && !w.atWork(w.stored.Lease.Owner) || do.wait == forWinner && !w.heldBySomebody(w.stored.Lineage)
		switch {
		case vain:
			after("has waited in vain, and reads", ev, func(*world) {}, time.Hour)
			if lease := w.stored.Lease.Owner; do.wait == forWinner && lease != "" && lease != w.all[i].r.owner {
				after("has no time left", event{err: errStoreAway}, func(*world) {})
			}
		case w.left.expiries > 0:
			after("has waited too short, and reads", ev, func(c *world) {
				c.left.expiries--
				if w.all[i].r.phase == claiming {
					c.outrun[w.stored.Lease.Owner] = true
				}
				c.grace = c.grace || w.all[i].r.phase == marking
			}, time.Hour)
		}
		if w.left.stale > 0 && w.all[i].wrote < w.version && w.older != nil {
			after("reads what stood there before", event{record: w.older, version: fmt.Sprint(w.version - 1)}, func(c *world) { c.left.stale-- })
		}
		if w.left.lost > 0 {
			after("can't read", event{err: errStoreAway}, func(c *world) { c.left.lost-- })
		}
	case write:
		took := func(c *world) {
			c.put(do.record)
			c.all[i].wrote = c.version
		}
		fits := do.version == fmt.Sprint(w.version)
		if fits {
			after("writes", event{record: do.record, version: fmt.Sprint(w.version + 1), wrote: true}, took)
		} else {
			after("meets a conflict", event{err: store.ErrConflict, wrote: true}, func(*world) {})
		}
		if w.left.lost > 0 {
			after("can't write", event{err: errStoreAway, wrote: true}, func(c *world) { c.left.lost-- })
			if fits && w.left.late > 0 {
				after("gives up its write, which is still on its way", event{err: errStoreAway, wrote: true}, func(c *world) {
					c.left.lost--
					c.left.late--
					c.late = append(c.late, do)
				})
			}
			if fits {
				after("writes, and the answer is lost", event{err: errStoreAway, wrote: true}, func(c *world) { c.left.lost--; took(c) })
			}
		}
	case ask:
		began := do.record
		if w.left.refusals > 0 {
			after("GitHub refuses", event{err: errAway}, func(c *world) { c.left.refusals-- })
		}
		if w.live[began.Lineage] != began.Token.RefreshToken.Reveal() {
			after("GitHub says bad_refresh_token", event{err: errDead}, func(*world) {})
			return
		}
		pair := refreshToken(began.Lineage, began.Generation+1)
		rotate := func(c *world) { c.live[began.Lineage] = pair.RefreshToken.Reveal() }
		after("GitHub answers", event{pair: pair}, rotate)
		if w.left.lost > 0 {
			unknown := event{err: errAway, failure: failure{Unknown: true}}
			after("the request is lost", unknown, func(c *world) { c.left.lost-- })
			after("GitHub's answer is lost", unknown, func(c *world) { c.left.lost--; rotate(c); c.spent[began.Lineage] = true })
		}
	case end:
		try(name+" ends: "+string(do.outcome), func(c *world) { c.conclude(i) })
	}
}

// atWork says whether a manager is alive and in a rotation.
func (w *world) atWork(owner string) bool {
	return slices.ContainsFunc(w.all, func(p replica) bool { return !p.crashed && !p.idle && p.r.owner == owner })
}

func (w *world) put(r *record) { w.older, w.stored, w.version = w.stored, r, w.version+1 }

func (w *world) revoke(lineage string) {
	if lineage != "" {
		w.live[lineage] = ""
	}
}

func (w *world) begin(i int) {
	p := &w.all[i]
	p.started++
	owner := fmt.Sprintf("m%d", i)
	if p.crashed {
		owner += fmt.Sprintf("'%d", p.started) // Another process in its place.
	}
	p.crashed, p.idle = false, false
	p.r, p.do = beginRotation(owner, fmt.Sprintf("%s.%d", owner, p.started), w.stored.id())
}

func (w *world) feed(i int, ev event, elapsed time.Duration) {
	p := &w.all[i]
	p.r, p.do = p.r.step(ev, moment{elapsed: elapsed})
	p.r.since, p.r.waits = 0, 0 // Time stands still but for expiries; and nothing depends on how often one waited.
}

func (w *world) crash(i int) {
	p := &w.all[i]
	if !p.idle && p.r.phase == storing && w.live[p.r.began.Lineage] == p.r.pair.RefreshToken.Reveal() && w.stored.Token.RefreshToken.Reveal() != p.r.pair.RefreshToken.Reveal() {
		w.spent[p.r.began.Lineage] = true
	}
	*p = replica{crashed: true, started: p.started, wrote: p.wrote}
}

// conclude is what the manager does at the end of a rotation.
func (w *world) conclude(i int) {
	p := &w.all[i]
	switch p.do.outcome {
	case pending:
		p.r, p.do = p.r.resume(forNothing)
		return
	case gaveWay:
		if w.live[p.r.began.Lineage] == p.r.pair.RefreshToken.Reveal() {
			w.revoke(p.r.began.Lineage)
		}
	default:
	}
	*p = replica{idle: true, started: p.started, wrote: p.wrote}
}
