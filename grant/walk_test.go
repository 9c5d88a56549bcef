package grant

import (
	"slices"
	"strings"
	"testing"
)

// The walk carries out rotations of several replicas against a store and a GitHub that are nothing but a few fields,
// in every order that there is, with every fault at every effect, and looks at each state it comes to. From each,
// the rotations under way must be able to end. What it walks is [rotation.step] itself, not a model of it. Time is
// left out: a lease or a grace may be over at any moment. So is what deletes records: it does so when no writer
// is left that had seen them.

// check returns what is wrong with a state, which was reached from before.
func (w *world) check(before *world) string {
	now, was := w.stored, before.stored
	token := now.Token.RefreshToken.Reveal()
	byRefresh := now != was && strings.HasPrefix(now.WriteID, "m")
	switch {
	case byRefresh && now.Lineage != was.Lineage:
		return "a refresh brought a grant back, or overwrote a newer sign-in"
	case byRefresh && now.Generation < was.Generation:
		return "the generation went back"
	case now.NeedsLogin != "" && w.live[now.Lineage] == token && token != "":
		return "a grant is marked although its refresh token is good"
	case now.NeedsLogin != "" && was.NeedsLogin == "" && !w.grace && w.heldBySomebody(now.Lineage):
		return "a grant is marked while a live replica holds its newest pair"
	case now.NeedsLogin == ReasonRevoked && !w.revoked[now.Lineage]:
		return "a grant is marked as revoked, and nobody revoked it"
	}
	if now.Lineage != "" && !w.revoked[now.Lineage] && w.live[now.Lineage] != token && !w.spent[now.Lineage] && !w.heldBySomebody(now.Lineage) {
		return "the newest pair is neither stored nor held by anybody"
	}
	asking := make(map[string]bool)
	for _, p := range w.all {
		if p.do.op == end && p.do.outcome == adopted && p.do.record.lagsBehind(p.r.seen) {
			return "an older token was taken for another's new one"
		}
		if !p.crashed && !p.idle && p.do.op == ask && !w.outrun[p.r.owner] {
			token := p.do.record.Token.RefreshToken.Reveal()
			if asking[token] {
				return "two requests with one refresh token, and no lease had run out"
			}
			asking[token] = true
		}
	}
	return ""
}

func (w *world) heldBySomebody(lineage string) bool {
	return slices.ContainsFunc(w.all, func(p replica) bool {
		return !p.crashed && !p.idle && p.r.phase == storing && p.r.pair.RefreshToken.Reveal() == w.live[lineage]
	})
}

// checkRest returns what is wrong with a state in which nothing more happens.
func (w *world) checkRest() string {
	for lineage, token := range w.live {
		if token != "" && w.stored.Token.RefreshToken.Reveal() != token && !w.spent[lineage] {
			return "a pair that nobody knows is alive at GitHub"
		}
	}
	if w.stored.NeedsLogin != "" && !w.spent[w.stored.Lineage] && !w.revoked[w.stored.Lineage] {
		return "a user must sign in again although no pair was lost"
	}
	return ""
}

// walk goes through all states and returns how many there are.
func walk(t *testing.T, b budget) int {
	t.Helper()
	first := &world{stored: &record{Lineage: "a", Token: refreshToken("a", 0), WriteID: "sign-in a"}, version: 1, live: map[string]string{"a": "a0"}, spent: map[string]bool{}, revoked: map[string]bool{}, outrun: map[string]bool{}, left: b}
	for range b.replicas {
		first.all = append(first.all, replica{idle: true})
	}
	seen := map[string]int{first.key(): 0} // And in which order.
	states := []*world{first}
	var moves [][2]int32 // From which to which.
	var rest []int32     // In which nothing more happens.
	for i := 0; i < len(states); i++ {
		w := states[i]
		next := w.next()
		if len(next) == 0 {
			rest = append(rest, int32(i))
			fail(t, w, w.checkRest())
		}
		for _, n := range next {
			fail(t, n, n.check(w))
			key := n.key()
			j, ok := seen[key]
			if !ok {
				j = len(states)
				seen[key] = j
				states = append(states, n)
			}
			moves = append(moves, [2]int32{int32(i), int32(j)})
		}
		states[i] = &world{trace: w.trace} // The rest is not needed any more.
	}
	// Back from the ends to all that lead there.
	slices.SortFunc(moves, func(a, b [2]int32) int { return int(a[1] - b[1]) })
	ends := make([]bool, len(states))
	for len(rest) > 0 {
		i := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		if ends[i] {
			continue
		}
		ends[i] = true
		first, _ := slices.BinarySearchFunc(moves, i, func(m [2]int32, i int32) int { return int(m[1] - i) })
		for ; first < len(moves) && moves[first][1] == i; first++ {
			rest = append(rest, moves[first][0])
		}
	}
	if i := slices.Index(ends, false); i >= 0 {
		fail(t, states[i], "a rotation has no end any more")
	}
	return len(states)
}

// fail tells of a problem, and of how it was come to.
func fail(t *testing.T, w *world, problem string) {
	t.Helper()
	if problem == "" {
		return
	}
	var steps []string
	for s := w.trace; s != nil; s = s.before {
		steps = append(steps, s.what)
	}
	slices.Reverse(steps)
	t.Fatalf("%s, after:\n  %s", problem, strings.Join(steps, "\n  "))
}

func TestEveryOrderAndEveryFaultKeepsThePromises(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]budget{
		"crash and lost answer":         {replicas: 2, rotations: 2, crashes: 1, lost: 1, expiries: 1},
		"sign-out and sign-in":          {replicas: 2, rotations: 2, expiries: 1, signIns: 1, signOuts: 1},
		"crash during sign-out":         {replicas: 2, rotations: 1, crashes: 1, expiries: 1, signOuts: 1, lost: 1},
		"two lost answers":              {replicas: 2, rotations: 1, lost: 2, expiries: 1},
		"one that is alone":             {replicas: 1, rotations: 3, lost: 3, late: 1, crashes: 1, refusals: 1},
		"outage of GitHub":              {replicas: 2, rotations: 2, refusals: 2, expiries: 1, lost: 1},
		"a store that lags behind":      {replicas: 2, rotations: 2, expiries: 1, stale: 2, lost: 1},
		"logins come and go":            {replicas: 2, rotations: 1, expiries: 1, crashes: 1, logins: 2},
		"writes that arrive late":       {replicas: 2, rotations: 1, expiries: 1, lost: 2, late: 1, logins: 1},
		"late writes and a sign-in":     {replicas: 2, rotations: 1, expiries: 1, lost: 1, late: 1, signIns: 1, signOuts: 1},
		"the user revokes":              {replicas: 2, rotations: 2, expiries: 1, crashes: 1, revokes: 1},
		"three replicas":                {replicas: 3, rotations: 1, expiries: 2},
		"three replicas, one that dies": {replicas: 3, rotations: 1, expiries: 1, crashes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raceDetector {
				b.rotations, b.expiries = 1, 1 // There is one goroutine, and nothing for it to find.
			}
			t.Logf("%d states", walk(t, b))
		})
	}
}
