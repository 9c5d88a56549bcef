package sim

import (
	"errors"

	"github.com/ghlogin/ghlogin/grant"
)

// verdict judges what the replicas answered at rest.
func (w *world) verdict(answers []called) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &w.shelf.newest().grant
	p := w.gh.access[g.Token.AccessToken]
	want := grant.Reason(g.NeedsLogin)
	if g.Lineage == "" {
		want = grant.ReasonNone
	}
	for _, a := range answers {
		e, refused := errors.AsType[*grant.SignInError](a.err)
		switch {
		case want == "" && (a.err != nil || a.status != 200):
			w.violate(everybodyIn, "replica %v answers %d, %v, while %v is stored", a.r, a.status, a.err, p)
		case want != "" && (!refused || e.Reason != want):
			w.violate(sameEverywhr, "replica %v answers %d, %v, while the grant says %q", a.r, a.status, a.err, want)
		}
	}
	if g.Lineage == "" {
		return
	}
	newest := p
	for newest.next != nil {
		newest = newest.next
	}
	switch {
	case newest != p && !newest.unknown():
		w.violate(newestKept, "the newest is %v, which replica %v got, but %v is stored, marked %q", newest, newest.holder, p, want)
	case want == "" && p.dead:
		w.violate(newestKept, "%v is stored, which is dead, and nobody noticed", p)
	case want == grant.ReasonRevoked && !p.userRevoked:
		w.violate(rightReason, "%v is marked revoked, but the user did not revoke it", p)
	case want == grant.ReasonLost && !p.doubt && newest == p:
		w.violate(rightReason, "%v is marked lost, but no answer was lost", p)
	case want != "" && want != grant.ReasonRevoked && want != grant.ReasonLost:
		w.violate(rightReason, "%v is marked %s", p, want)
	}
	if g.Lease.Owner != "" {
		w.violate(oneLease, "at rest a lease stands, of replica %v", w.judge.leases[g.Lease.Owner])
	}
	if w.sch.Calm {
		w.calmVerdict()
	}
}

// unknown says that nobody who is alive has, or had, the pair: its answer was lost, or its holder was.
func (p *pair) unknown() bool {
	return p.holder == nil || p.holder.gone()
}

func (r *replica) gone() bool { return r.crashed.Load() || r.cutOff }

func (w *world) calmVerdict() {
	for _, p := range w.gh.pairs {
		if p.asked > 1 {
			w.violate(fewRequests, "%v: %d token requests", p, p.asked)
		}
		if n := w.judge.writes[p.n]; n > 2 {
			w.violate(fewRequests, "%v: %d writes", p, n)
		}
	}
}

// lastVerdict judges what is left when every replica was closed.
func (w *world) lastVerdict() {
	w.mu.Lock()
	defer w.mu.Unlock()
	stored := w.shelf.newest().grant.Token.AccessToken
	for _, p := range w.gh.pairs {
		if p.dead || p.access == stored || p.unending {
			continue
		}
		excused := p.holder == nil
		excused = excused || !p.stored && (p.holder.gone() || p.generation == 0 && p.holder.blind)
		for _, r := range p.dropped {
			excused = excused || r.gone() || r.blind || r.braked
		}
		if !excused {
			w.violate(nothingLeft, "%v is alive, which nobody stores (held by replica %v, dropped by %v)", p, p.holder, p.dropped)
		}
	}
}
