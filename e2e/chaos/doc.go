// Package chaos shows what a fleet does to its users' tokens when everybody wants them at once, and when
// everything goes wrong. Eight replicas, each a process of its own (the command in the folder replica), share
// one real Vault and one fake GitHub; all traffic is on loopback, and each run ends by itself.
//
// Without a Docker engine its tests are skipped; see package vaulttest. Short runs are part of go test ./...
//
// # make herd
//
// TestHerdAtTheMomentOfExpiry has 8 × 500 callers make an API call at the moment when the access token runs
// out, 100 times. Each time GitHub must have got exactly one token request, Vault's version number of the
// grant must be higher by exactly two, which is the number of writes that took effect, and no call may have
// failed. Between two such moments the same callers make the same calls with a fresh token; the "added wait" is
// the difference between the percentiles of the two, and its median over the rounds. Four thousand calls at
// once keep a small machine busy for most of a second, which is why the quiet moment is no faster than it is.
//
// TestSteadyTrafficAcrossRotations has callers call all the time, while tokens are refreshed behind them
// before they run out. GitHub looks at some requests' tokens late, so that many are sent with a token that
// dies on the way: those are the calls "with a dead token", all of which must end well. Requests and writes
// are counted here too.
//
// # make chaos DURATION=10m
//
// TestFleetInChaos kills replicas with SIGKILL and starts others in their place, all along: some at random,
// some aimed at the owner of a refresh when GitHub has just carried it out. In rounds of 50 seconds Vault is
// paused, and stopped, started and unsealed; GitHub is slow, answers 502 or 429, or does its work and loses
// the answer. The last seconds of each round are calm. What goes wrong, and when, comes from a seed, which is
// printed; what it meets is up to the machine.
//
// How to read its report:
//
//   - "try-later" are calls that failed while Vault or GitHub was out of order, or within a margin after it
//     (see trouble_test.go); "api-status" those that GitHub's API itself answered with 502 or 429. One at any
//     other time fails the run.
//   - "replica killed" are calls whose replica was killed meanwhile. They say nothing about the library: the
//     caller goes to another.
//   - "needs-login" are calls of a user who had to sign in again. The harness then notes the user's grant,
//     and signs them in, so that the run goes on. "needs-login, remembered" are calls that came to a replica
//     which remembered the grant from before that sign-in.
//   - "hung" are calls without an answer for 100 seconds, "replica lost" those that a living replica did not
//     answer, "broken" those that failed in any other way. None may be.
//
// A user may have to sign in again for one reason: GitHub had rotated, and nobody could store the new pair,
// since the replica was killed before its commit, or GitHub's answer was lost. Each case is accounted for
// from evidence: the refresh token in the grant leads to the one request at GitHub that spent it, this to
// the replica that made it, and this to when it was killed, to the fault that struck, and to its diary, in
// which it wrote down each write to the store. The run fails if a case is not accounted for, or has another
// reason than "lost" in the grant; if two requests with one refresh token were under way at once, or one came
// after the other's good answer, while the lease of the first had not run out; if after two minutes without misfortunes a user is not served; and if a
// grant then holds a refresh token that GitHub no longer takes.
package chaos
