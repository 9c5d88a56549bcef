package grant_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

func TestSteadyRequestsCostTheStoreNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		before, _ := w.store.counts()
		for range 100 {
			if _, _, err := m.Lookup(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			herd(t, 2, m)
		}
		if after, _ := w.store.counts(); after != before {
			t.Errorf("%d reads within the staleness", after-before)
		}
		time.Sleep(10 * time.Second)
		herd(t, 1, m)
		if after, _ := w.store.counts(); after != before+1 {
			t.Errorf("%d reads after it, want 1", after-before)
		}
	})
}

func TestSignOutElsewhereCountsWithinTheStaleness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t, grant.WithStaleness(10*time.Second)), w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, a, "octocat")
		for _, m := range []*grant.Manager{a, b} {
			if _, _, err := m.Lookup(t.Context(), session); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("on the replica itself, at once = %v, want ErrSignedOut", err)
		}
		time.Sleep(10 * time.Second)
		if _, _, err := a.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("on another, after the staleness = %v, want ErrSignedOut", err)
		}
	})
}

// Another replica's refresh kills the token that this one remembers.
func TestTokenThatAnotherReplicaRefreshedIsFoundByGitHubs401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t, grant.WithStaleness(time.Hour)), w.manager(t)
		w.signIn(t, a, "octocat")
		for range 3 {
			time.Sleep(tokenLife - time.Minute)
			herd(t, 1, a) // Reads and remembers, and refreshes behind.
			time.Sleep(time.Minute)
			herd(t, 20, a, b)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 3 {
			t.Errorf("%d refreshes, want 3", n)
		}
	})
}

// The browser goes on to another replica right after its callback, and that one remembers the user from before.
func TestNewSignInCountsAtOnceOnAReplicaThatRemembersTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(10*time.Second))
		first := w.signIn(t, a, "octocat")
		if _, _, err := b.Lookup(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		second := w.signIn(t, a, "octocat")
		if _, _, err := b.Lookup(t.Context(), second); err != nil {
			t.Errorf("Lookup on the other replica = %v", err)
		}
		if err := a.SignOutEverywhere(t.Context(), octocat); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Lookup(t.Context(), grant.Session{UserID: octocat, LoginID: "never was"}); !errors.Is(err, grant.ErrSignedOut) {
			t.Fatalf("Lookup = %v", err)
		}
		third := w.signIn(t, a, "octocat")
		if _, _, err := b.Lookup(t.Context(), third); err != nil {
			t.Errorf("Lookup on a replica that remembers the sign-out = %v", err)
		}
		if _, err := b.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token there = %v", err)
		}
	})
}

// The user signed in again after a revocation; a replica that remembers the dead grant must not send them away.
func TestNewTokenCountsAtOnceOnAReplicaThatRemembersADeadOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, a, "octocat")
		w.gh.RevokeUser(w.app.ClientID, octocat)
		time.Sleep(tokenLife)
		if _, err := b.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrSignInAgain) {
			t.Fatalf("Token = %v", err)
		}
		if _, needsLogin, err := b.Lookup(t.Context(), session); err != nil || needsLogin == "" {
			t.Fatalf("Lookup = %q, %v", needsLogin, err)
		}
		w.signIn(t, a, "octocat")
		// The browser keeps its login where the same user signs in again.
		if _, needsLogin, err := b.Lookup(t.Context(), session); err != nil || needsLogin != "" {
			t.Errorf("Lookup on the other replica = %q, %v", needsLogin, err)
		}
		if _, err := b.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token on the other replica = %v", err)
		}
	})
}

// A refresh that could not be claimed had the grant forgotten, and the outage after it then failed every request.
func TestWriteThatFailedDoesNotForgetWhatIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - 2*time.Minute)
		herd(t, 1, m)
		w.store.set(nil, func(func() error) error { return errOut })
		herd(t, 5, m) // One of them tries to refresh.
		synctest.Wait()
		w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
		for range 10 {
			herd(t, 5, m)
			if _, _, err := m.Lookup(t.Context(), session); err != nil {
				t.Errorf("Lookup = %v", err)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

// The answer to a write comes late; what another replica signed out meanwhile must not count later for that.
func TestWriteWhoseAnswerIsLateDoesNotStretchTheStaleness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, a, "octocat")
		w.store.set(nil, func(put func() error) error {
			w.store.set(nil, nil)
			err := put()
			time.Sleep(time.Second)
			if err := a.SignOut(t.Context(), session); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Second)
			return err
		})
		w.signIn(t, b, "octocat")
		time.Sleep(7 * time.Second)
		if _, _, err := b.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("Lookup 10s after the sign-out = %v, want ErrSignedOut", err)
		}
	})
}

// This replica has seen the sign-out already when the answer to its own older write comes.
func TestLateAnswerOfAWriteDoesNotBringBackWhatWasSeenSignedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, a, "octocat")
		w.store.set(nil, func(put func() error) error {
			w.store.set(nil, nil)
			err := put()
			if err := a.SignOut(t.Context(), session); err != nil {
				t.Error(err)
			}
			// It asks the store for a login that it does not know, and so learns of the sign-out.
			if _, _, err := b.Lookup(t.Context(), grant.Session{UserID: octocat, LoginID: "never was"}); !errors.Is(err, grant.ErrSignedOut) {
				t.Errorf("Lookup during the write = %v, want ErrSignedOut", err)
			}
			return err
		})
		w.signIn(t, b, "octocat")
		if _, _, err := b.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("Lookup after it = %v, want ErrSignedOut", err)
		}
	})
}

// Everybody asks again at the moment at which what is remembered gets too old.
func TestHerdAtTheEndOfTheStalenessReadsNoMoreThanTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		w.signIn(t, m, "octocat")
		time.Sleep(time.Minute)
		w.store.set(func() error { time.Sleep(100 * time.Millisecond); return nil }, nil)
		before, _ := w.store.counts()
		herd(t, 500, m)
		// One, and another for those who came while that was under way.
		if after, _ := w.store.counts(); after-before > 2 {
			t.Errorf("%d reads for 500 requests, want at most 2", after-before)
		}
	})
}

// Another replica refreshed, so the old token dies under five hundred requests at once.
func TestHerdWhoseTokenDiedReadsTheStoreNoMoreThanTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(time.Hour))
		w.signIn(t, a, "octocat")
		time.Sleep(tokenLife - time.Minute)
		if _, _, err := b.Lookup(t.Context(), grant.Session{UserID: octocat, LoginID: "any"}); !errors.Is(err, grant.ErrSignedOut) {
			t.Fatal(err)
		}
		herd(t, 1, a) // Refreshes behind.
		synctest.Wait()
		w.store.set(func() error { time.Sleep(100 * time.Millisecond); return nil }, nil)
		before, _ := w.store.counts()
		herd(t, 500, b)
		// One for the 401, and the one of the refresh that was due by what b remembered.
		if after, _ := w.store.counts(); after-before > 2 {
			t.Errorf("%d reads for 500 requests, want at most 2", after-before)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// What a steady request costs: nothing that a server would notice.
//
//nolint:paralleltest // AllocsPerRun counts the whole process.
func TestTokenThatIsRememberedAllocatesNothing(t *testing.T) {
	w := newWorld(t, gitHubApp)
	for name, m := range map[string]*grant.Manager{
		"for a while": w.manager(t, grant.WithStaleness(time.Hour)),
		"in memory":   w.managerOn(t, memory.New()),
	} {
		w.signIn(t, m, "octocat")
		ctx := t.Context()
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := m.Token(ctx, octocat); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("remembered %s: %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkTokenThatIsRemembered(b *testing.B) {
	w := newWorld(b, gitHubApp)
	m := w.manager(b, grant.WithStaleness(time.Hour))
	w.signIn(b, m, "octocat")
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Token(ctx, octocat); err != nil {
			b.Fatal(err)
		}
	}
}

// A store in memory says what is current: nothing is stale, and nothing is decoded twice.
func TestStoreInMemoryIsNeverStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	st := memory.New()
	here, there := w.managerOn(t, st), w.managerOn(t, st)
	s := w.signIn(t, here, "octocat")
	for range 2 { // Read, and remembered.
		if _, _, err := there.Lookup(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := here.SignOut(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, _, err := there.Lookup(t.Context(), s); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("Lookup after a sign-out by another manager = %v, want ErrSignedOut at once", err)
	}
	if _, err := there.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrSignInAgain) {
		t.Errorf("Token = %v", err)
	}
}
