package grant_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
)

func TestLastSeenMovesOnceAnHourAndCostsNothingBetween(t *testing.T) {
	t.Parallel()
	for _, staleness := range []time.Duration{0, 10 * time.Second, 3 * time.Hour} {
		t.Run(fmt.Sprint("staleness ", staleness), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, githubtest.App{NoExpiry: true})
				fleet := []*grant.Manager{w.manager(t, grant.WithStaleness(staleness)), w.manager(t, grant.WithStaleness(staleness))}
				s := w.signIn(t, fleet[0], "octocat")
				signedIn := time.Now()
				use := func() { // A request to each replica, every twenty seconds.
					for _, m := range fleet {
						wantSignedIn(t, m, s, true)
					}
					time.Sleep(20 * time.Second)
				}
				puts := func() int { _, n := w.store.counts(); return n }
				began := puts()
				for time.Since(signedIn) < time.Hour {
					use()
				}
				if n := puts() - began; n != 0 {
					t.Errorf("%d writes within the first hour", n)
				}
				for range 2 {
					use()
				}
				if n := puts() - began; n != 1 {
					t.Errorf("%d writes when the hour was over, want 1 of the whole fleet", n)
				}
				if got := logins(t, fleet[0], s)[0].LastSeen.Sub(signedIn); got < time.Hour || got > time.Hour+time.Minute {
					t.Errorf("last seen %v after the sign-in", got)
				}
				for time.Since(signedIn) < 5*time.Hour {
					use()
				}
				if n := puts() - began; n != 4 {
					t.Errorf("%d writes in five hours, want 4", n)
				}
			})
		})
	}
}

func TestStoreIsReadNoMoreForALoginWhoseUseIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithStaleness(6*time.Hour))
		s := w.signIn(t, m, "octocat")
		for range 3 {
			time.Sleep(time.Hour)
			gets, puts := w.store.counts()
			for range 100 {
				wantSignedIn(t, m, s, true)
				time.Sleep(10 * time.Second)
			}
			if g, p := w.store.counts(); g-gets != 1 || p-puts != 1 {
				t.Errorf("%d reads and %d writes for a hundred requests after an hour, want 1 and 1", g-gets, p-puts)
			}
		}
	})
}

func TestLastSeenThatIsOffWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithLastSeen(0))
		s := w.signIn(t, m, "octocat")
		for range 3 {
			time.Sleep(24 * time.Hour)
			wantSignedIn(t, m, s, true)
		}
		if _, puts := w.store.counts(); puts != 1 {
			t.Errorf("%d writes, want the sign-in's", puts)
		}
		if l := logins(t, m, s)[0]; !l.LastSeen.Equal(l.Created) {
			t.Errorf("last seen %v, signed in %v", l.LastSeen, l.Created)
		}
	})
	for _, d := range []time.Duration{-1, time.Second} {
		w := newWorld(t, githubtest.App{})
		if _, err := grant.New(w.oauth(t), w.store, grant.WithLastSeen(d)); err == nil {
			t.Errorf("New took WithLastSeen(%v)", d)
		}
	}
}

// Whoever comes back in the morning has a token that ran out, and a login that was long not seen.
func TestNoteOfALoginIsNotInARefreshsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife + time.Hour)
		conflicts := 0
		w.store.set(nil, func(put func() error) error {
			time.Sleep(50 * time.Millisecond)
			err := put()
			if err != nil {
				conflicts++
			}
			return err
		})
		_, before := w.store.counts()
		wantSignedIn(t, m, s, true)
		herd(t, 3, m)
		if _, puts := w.store.counts(); puts-before != 2 || conflicts != 0 {
			t.Errorf("%d writes and %d conflicts, want the refresh's two and none", puts-before, conflicts)
		}
		time.Sleep(time.Minute)
		if _, puts := w.store.counts(); puts-before != 3 {
			t.Errorf("%d writes a minute later, want the note's too", puts-before)
		}
	})
}

// A write under a lease would have whoever waits for that lease begin to wait anew.
func TestNoteOfALoginDoesNotDelayATakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(2 * time.Hour)
		w.change(t, "583231", func(v map[string]any) {
			v["lease"] = map[string]any{"owner": "a replica that died", "length_ns": int64(30 * time.Second)}
		})
		_, before := w.store.counts()
		for range 10 {
			wantSignedIn(t, m, s, true)
			time.Sleep(time.Minute)
		}
		if _, puts := w.store.counts(); puts != before {
			t.Errorf("%d writes under another's lease", puts-before)
		}
	})
}

func TestLoginThatEndsBeforeItsUseIsNotedStaysEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m, other := w.manager(t), w.manager(t)
		s, stays := w.signIn(t, m, "octocat"), w.signIn(t, m, "octocat")
		time.Sleep(2 * time.Hour)
		wantSignedIn(t, m, s, true)
		time.Sleep(time.Second)
		if err := other.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		wantSignedIn(t, m, s, false)
		wantSignedIn(t, m, stays, true)
		if n := len(logins(t, m, stays)); n != 1 {
			t.Errorf("%d logins are listed, want 1", n)
		}
	})
}

func TestNotingWithTheStoreAwayIsLeftAndCloseDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithStaleness(time.Hour))
		s := w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		wantSignedIn(t, m, s, true) // Reads anew, and has its use noted in a moment.
		gets, _ := w.store.counts()
		w.store.set(func() error { return errors.New("out of order") }, nil)
		time.Sleep(50 * time.Second)
		for range 100 {
			wantSignedIn(t, m, s, true)
		}
		if n, _ := w.store.counts(); n-gets != 1 {
			t.Errorf("%d reads of a store that is away, want the note's one", n-gets)
		}
		w.store.set(nil, nil)
		time.Sleep(time.Minute)
		wantSignedIn(t, m, s, true)
		_, puts := w.store.counts()
		began := time.Now()
		if err := m.Close(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Close = %v after %v", err, time.Since(began))
		}
		if _, after := w.store.counts(); after != puts {
			t.Errorf("Close wrote %d notes", after-puts)
		}
	})
}
