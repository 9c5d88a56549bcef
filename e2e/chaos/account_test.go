package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
)

// leaseLength is grant's: for so long a refresh belongs to whoever claimed it.
const leaseLength = 30 * time.Second

// evidence is what is known after a run: GitHub's side, the replicas' diaries, and who was killed when.
type evidence struct {
	asks   []ask
	byName map[string]*replica
}

func (c *run) evidence() evidence {
	e := evidence{asks: c.world.front.refreshes(), byName: make(map[string]*replica)}
	for _, r := range c.world.fleet.every() {
		e.byName[r.name] = r
	}
	return e
}

// The verdicts on a user who had to sign in again. The first two are the one window that can't be closed:
// GitHub had rotated, and nobody could store the new pair.
const (
	killedInWindow = "the replica was killed after GitHub had rotated and before its commit"
	answerLost     = "GitHub's answer was lost by an injected fault"
	unaccounted    = "not accounted for"
)

// judge says why a user had to sign in again. The grant holds the refresh token that was lost; the request
// that spent it, at the time spent, tells the rest.
func (e evidence) judge(s signInCase) (verdict, why string, spent time.Time) {
	if s.grant.NeedsLogin != "lost" {
		return unaccounted, fmt.Sprintf("the reason is %q, but nobody revoked anything", s.grant.NeedsLogin), spent
	}
	token := chaos.Fingerprint(s.grant.Token.RefreshToken)
	for _, a := range e.asks {
		if a.Token != token || !a.rotated() {
			continue
		}
		if a.Lost {
			return answerLost, fmt.Sprintf("%s asked at %s", a.Replica, clock(a.Began)), a.Began
		}
		r := e.byName[a.Replica]
		if r == nil {
			return unaccounted, "no replica of the fleet asked", a.Began
		}
		for _, n := range r.diary() {
			if n.Op == chaos.Commit && n.Token == a.Next && n.Err == "" {
				return unaccounted, fmt.Sprintf("%s stored the pair at %s", r.name, clock(n.Began)), a.Began
			}
		}
		switch killed := r.killedAt(); {
		case killed.IsZero() || killed.After(s.found):
			return unaccounted, fmt.Sprintf("%s got the pair at %s and lived on", r.name, clock(a.Ended)), a.Began
		default: // The request may also have been under way when its replica was killed.
			return killedInWindow, fmt.Sprintf("%s asked at %s, was answered at %s and killed at %s", r.name, clock(a.Began), clock(a.Ended), clock(killed)), a.Began
		}
	}
	return unaccounted, "no request spent its refresh token: it is still good", spent
}

// pairWasLost says whether a user's pair was lost at a moment, in the window that can't be closed, and the user not yet
// asked to sign in again. Until then the failed refresh is tried again with growing pauses.
func (e evidence) pairWasLost(cases []signInCase, user int64, at time.Time) bool {
	return slices.ContainsFunc(cases, func(s signInCase) bool {
		verdict, _, spent := e.judge(s)
		return s.user == user && verdict != unaccounted && spent.Before(at) && at.Before(s.found)
	})
}

// doubles finds requests with a refresh token that another request had or had had, though the lease of the
// first had not run out: two that were under way at once, and one that came after the other's good answer.
func (e evidence) doubles(cases []signInCase) (found []string) {
	replaced := make(map[string]time.Time) // By a sign-in; what becomes of a token then is no refresh.
	for _, s := range cases {
		replaced[chaos.Fingerprint(s.grant.Token.RefreshToken)] = s.found
	}
	byToken := make(map[string][]ask)
	for _, a := range e.asks {
		if at, ok := replaced[a.Token]; !ok || a.Began.Before(at) {
			byToken[a.Token] = append(byToken[a.Token], a)
		}
	}
	for token, asks := range byToken {
		slices.SortFunc(asks, func(a, b ask) int { return a.Began.Compare(b.Began) })
		for i := 1; i < len(asks); i++ {
			first, second := asks[i-1], asks[i]
			over := !first.Ended.IsZero() && !second.Began.Before(first.Ended)
			if over && first.Result != "pair" || second.Began.Sub(e.claimed(first)) >= leaseLength {
				continue
			}
			found = append(found, fmt.Sprintf("token %s: %s asked at %s until %s, %s at %s", token,
				first.Replica, clock(first.Began), clock(first.Ended), second.Replica, clock(second.Began)))
		}
	}
	return found
}

// claimed returns when the lease was written under which a request was made.
func (e evidence) claimed(a ask) time.Time {
	at := a.Began
	if r := e.byName[a.Replica]; r != nil {
		for _, n := range r.diary() {
			if n.Op == chaos.Claim && n.Token == a.Token && n.Began.Before(a.Began) {
				at = n.Began
			}
		}
	}
	return at
}

// trace is all that is known of a user's token, in order: for a case that is not accounted for.
func (e evidence) trace(token string) string {
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	for _, a := range e.asks {
		if a.Token == token || a.Next == token {
			text := fmt.Sprintf("GitHub: %s asks with %s, until %s: %s, next %s, lost %v", a.Replica, a.Token, clock(a.Ended), a.Result, a.Next, a.Lost)
			lines = append(lines, line{a.Began, text})
		}
	}
	for _, r := range e.byName {
		concerned := false
		for _, n := range r.diary() {
			if n.Token == token {
				concerned = true
				lines = append(lines, line{n.Began, fmt.Sprintf("%s: %s of %s, generation %d, took %v, owner %s, %s %s",
					r.name, n.Op, n.Token, n.Generation, n.Took.Round(time.Millisecond), n.Owner, n.Reason, n.Err)})
			}
		}
		if killed := r.killedAt(); concerned && !killed.IsZero() {
			lines = append(lines, line{killed, r.name + ": killed"})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "\n    %s %s", clock(l.at), l.text)
	}
	return b.String()
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
