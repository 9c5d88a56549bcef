// Package sim runs grant's real code as a fleet under faults, in time that costs nothing, and looks for an order of
// events in which a user loses their sign-in. All of it is tests; there is nothing here to import.
//
// # What runs
//
// Two to four managers with a store and a GitHub between them, in a testing/synctest bubble, where hours pass in no
// time. A schedule says what is done to them and when: callers (some hang up), looks at pages, sign-ins and sign-outs, the
// user's revocation, crashes, orderly ends, and what goes wrong with which call. It is drawn as data by rapid before anything
// runs, so that rapid can take parts of it away until only those are left that a violation needs. What can go wrong:
//
//   - a call of GitHub or of the store is slow before its effect or after it, loses its request or its answer, is never
//     answered, or takes effect after its caller has given up;
//   - a replica crashes just before or just after a call took effect: between GitHub's rotation and the commit, for one;
//   - GitHub answers 403, 429, 502, 503 or a wrong client secret, or takes no connection;
//   - the store is away for one replica or for all; a Put meets a conflict with itself; reads lag behind others' writes;
//   - a replica's clock is off by minutes, hours or a day. The replica itself lives on the bubble's clock; the times that
//     it reads and writes are moved at its store and at GitHub's Date header, which comes to the same and needs no
//     hook in the code.
//
// The fake GitHub and the fake store share no code with the library, and are as small as they can be: githubtest and
// store/memory are for tests of other things.
//
// # What is checked
//
// With each write and each request, and at the end, when the faults are over and the fleet was given time:
//
//   - I1: no two requests in flight with one refresh token, unless a lease ran out. A lease is taken over only when it
//     has stood for its length, and is ended by its owner, by a commit, or with the grant's mark.
//   - I2: the newest pair that GitHub issued is stored, unless its answer was lost or its holder crashed.
//   - I3: no grant is marked while its refresh token is good, and a mark has the right reason: "revoked" if the user
//     revoked the app, "lost" if an answer was lost or a lease left behind.
//   - I4: a lineage that was replaced or forgotten never comes back.
//   - I5: a lineage's generation never goes back, and counts its pairs.
//   - I6: without faults a rotation is one token request and two writes, and no call fails.
//   - I7: what nobody stores is revoked in the end, unless who had to do so crashed or was refused; what is stored is not
//     revoked by the app.
//   - I8: a login goes only with a sign-out, and for good. Its use is noted once an hour at most, and never over a lease.
//   - I9: at rest all replicas say the same, a user with a good grant gets 200 from each, now and after the next
//     rotation; no lease stands; no goroutine is left when all are closed.
//
// # How to run it
//
//	go test ./grant/sim                                      some seconds' worth
//	make soak DURATION=10m                                   as long as you like; SEED=n repeats a run
//	go test ./grant/sim -run TestFleet -rapid.seed=n -v      the schedule of one seed, made as small as it goes
//
// Every run begins with a fresh seed and prints it. A schedule takes one to one and a half milliseconds of a core, of
// which the harness is a sixth and the decoding of stored grants a third. It decides everything but two things: managers
// spread their pauses at random, and the Go scheduler orders what happens at one instant. So a schedule is tried
// several times before it counts as good while one is being made small.
//
// # Does it find anything?
//
// Changes that break grant, and how many schedules it took until an invariant said so, in one run each; the numbers vary
// by a factor of ten between runs:
//
//	a lease is taken over at once                                            2  I1
//	a lease is taken over though another write came meanwhile               25  I1
//	the claim writes no lease                                                2  I1
//	the commit leaves the lease                                              2  I1
//	no single flight                                                         2  I1
//	the commit ignores the lineage                                           8  I2
//	the commit gives way at a conflict                                      21  I2
//	a sign-in keeps the lineage                                              8  I2
//	Close forgets a pair that waits to be stored                            57  I2
//	the commit stops at a mark                                             851  I2
//	the commit is fenced by the lease's owner                              741  I7
//	the commit is not tried again when the store was away                  102  I7
//	giving way revokes nothing                                               4  I7
//	a sign-in does not revoke what it replaced                              11  I7
//	the last sign-out revokes nothing                                        8  I7
//	the first bad_refresh_token marks the grant                             57  I3
//	bad_refresh_token is believed without reading again                     23  I3
//	no grace for who may hold the pair                                      54  I3
//	any failure of the token request counts as a revocation                  3  I3
//	a lost answer is not noted                                             131  I3
//	a note of a lost answer is forgotten by the next failure               888  I3
//	a lease left behind is not noted                                        75  I3
//	the token request is sent again by itself                               12  I3
//	the generation is not counted                                            3  I5
//	the commit writes logins as they were at the claim                     253  I8
//	a sign-in drops other logins                                             3  I8
//	a 401 of the API is passed on                                            6  I9
//	during the grace the lease is taken over, from one to the next, forever 52  I9
//	a goroutine is left behind                                              13  bubble
//
// Two were not found in ten thousand: a failed refresh that ends a lease which was taken over from it meanwhile (no
// timing of the present time-outs leads there; where the write that ends the lease is tried again, it was found), and
// a lagging read that is adopted (a caller may meet an old token for as long as reads lag, which nothing forbids).
//
// # What it does not do
//
// There is one user, whose tokens expire; nothing is deleted from the store; the store's own expiry of entries drops
// nothing. A clock steps when its process starts again, not while it runs. A panic in a manager ends the run without
// telling the schedule: repeat it with the seed that was printed.
package sim
