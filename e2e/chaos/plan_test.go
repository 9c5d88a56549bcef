package chaos_test

import (
	"math/rand/v2"
	"time"
)

// misfortune is one thing that goes wrong, at a time from the run's start.
type misfortune struct {
	kind   string
	at     time.Duration
	length time.Duration // How long it lasts; for a kill, how long the slot stays empty.
	slot   int           // Whom a kill hits.
	aimed  bool          // A kill that waits for a refresh, and hits its owner when GitHub has answered.
	lost   int           // How many answers get lost.
}

// The kinds of misfortune.
const (
	pauseVault   = "Vault paused"
	restartVault = "Vault restarted"
	slowGitHub   = "GitHub slow"
	failGitHub   = "GitHub 502"
	limitGitHub  = "GitHub 429"
	loseAnswers  = "GitHub's answers lost"
)

// plan is what goes wrong in a run: three series, each in order. Kills come all along; troubles of Vault and
// GitHub leave the end of each round calm.
type plan struct{ kills, vault, github []misfortune }

// round is the length of a series of troubles with the calm behind it.
const round = 50 * time.Second

// newPlan is all of a run's chance but that of timing: one seed gives one plan, of which a shorter run has the
// beginning.
func newPlan(seed uint64, length time.Duration, slots int) (p plan) {
	var random *rand.Rand
	between := func(from, to float64) time.Duration {
		return time.Duration((from + random.Float64()*(to-from)) * float64(time.Second))
	}
	random = rand.New(rand.NewPCG(seed, 1))
	// Seldom enough that most replicas live to see a lost pair through, which takes a lease and a grace.
	for at := between(1, 4); at < length-time.Second; at += between(3, 8) {
		p.kills = append(p.kills, misfortune{kind: "kill", at: at, length: between(0.2, 2), slot: random.IntN(slots), aimed: random.IntN(3) == 0})
	}
	random = rand.New(rand.NewPCG(seed, 2))
	if length < round {
		// Before its tokens' first end there is nothing to disturb.
		p.github = []misfortune{
			{kind: loseAnswers, at: between(2, 3), length: 2 * time.Second, lost: 1},
			{kind: failGitHub, at: between(5, 6), length: 2 * time.Second},
		}
		p.vault = []misfortune{{kind: pauseVault, at: between(6, 7), length: between(2, 3)}}
		return p
	}
	troubles := []string{slowGitHub, failGitHub, limitGitHub, loseAnswers}
	for start := time.Duration(0); start+round <= length; start += round {
		random.Shuffle(len(troubles), func(i, j int) { troubles[i], troubles[j] = troubles[j], troubles[i] })
		for i, at := range []time.Duration{between(1, 4), between(18, 21)} {
			m := misfortune{kind: troubles[i], at: start + at, length: between(2, 6)}
			if m.kind == loseAnswers {
				m.lost = 1 + random.IntN(3)
			}
			p.github = append(p.github, m)
		}
		second := misfortune{kind: pauseVault, at: start + between(19, 21), length: between(3, 7)}
		if random.IntN(2) == 0 {
			second.kind, second.length = restartVault, between(1, 3)
		}
		p.vault = append(p.vault, misfortune{kind: pauseVault, at: start + between(5, 9), length: between(3, 7)}, second)
	}
	return p
}
