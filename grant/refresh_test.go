package grant_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

const tokenLife = 8 * time.Hour

var gitHubApp = githubtest.App{Kind: githubtest.GitHubApp}

// herd has n callers ask for the user at GitHub at once, through managers in turn.
func herd(t *testing.T, n int, managers ...*grant.Manager) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		c := managers[i%len(managers)].HTTPClient(octocat)
		wg.Go(func() {
			if got := getUser(t, c); got != http.StatusOK {
				t.Errorf("a caller got %d", got)
			}
		})
	}
	wg.Wait()
}

func TestHerdAtExpiryRefreshesOnceAndNobodyFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		_, before := w.store.counts()
		time.Sleep(tokenLife)
		herd(t, 200, m)
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
		if _, after := w.store.counts(); after-before != 2 {
			t.Errorf("%d writes, want 2: the claim and the commit", after-before)
		}
		if g := w.stored(t, "583231")["generation"]; g != 1.0 {
			t.Errorf("generation = %v, want 1", g)
		}
	})
}

func TestHerdOverTwoReplicasRefreshesOnceAndNobodyFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t)
		w.signIn(t, a, "octocat")
		for rotation := range 3 {
			time.Sleep(tokenLife)
			herd(t, 100, a, b)
			if n := w.gh.TokenRequests("refresh_token"); n != rotation+1 {
				t.Fatalf("after %d expiries %d refreshes", rotation+1, n)
			}
			if lease, ok := w.stored(t, "583231")["lease"]; ok {
				t.Fatalf("a refresh that is over left its lease: %v", lease)
			}
		}
	})
}

// A request that is sent while GitHub refreshes can meet a dead token, so it waits; but not for an outage.
func TestInsideTheMarginNobodyWaitsForASlowRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Minute)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		start := time.Now()
		herd(t, 50, m)
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("callers with a good token waited %v for its refresh, want 2s", waited)
		}
		start = time.Now()
		herd(t, 50, m)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("later callers waited %v more", waited)
		}
		time.Sleep(10 * time.Second)
		herd(t, 50, m)
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// GitHub answers 403 to everybody of a user after a few bad credentials: a herd that rides on a token while it dies
// would lock its own user out.
func TestNoRefreshInsideTheMarginMeetsA401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t, grant.WithStaleness(10*time.Second)), w.manager(t, grant.WithStaleness(10*time.Second))
		w.signIn(t, a, "octocat")
		time.Sleep(tokenLife - 2*time.Minute)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Delay: 300 * time.Millisecond})
		w.gh.ResetCalls()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { herd(t, 200, a, b) })
			time.Sleep(50 * time.Millisecond)
		}
		wg.Wait()
		if n := userCalls(w.gh); n != 2000 {
			t.Errorf("%d calls for 2000 requests: some met a dead token", n)
		}
	})
}

// A request that was on its way when its token ran out meets a 401.
func TestRequestUnderWayDuringARefreshIsReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithRefreshMargin(0))
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Second)
		w.gh.ResetCalls()
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Delay: 2 * time.Second})
		herd(t, 1, m)
		if n := userCalls(w.gh); n != 2 {
			t.Errorf("%d calls, want 2: one, and the same sent again", n)
		}
	})
}

func TestCallerWhoHangsUpLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		w.gh.ResetCalls()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Token(ctx, octocat); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Token of the caller who hung up = %v", err)
		}
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token of the next caller = %v", err)
		}
		sent := 0
		for _, c := range w.gh.Calls() {
			if strings.HasSuffix(c.Path, "/access_token") {
				sent++
			}
		}
		if sent != 1 {
			t.Errorf("the refresh was sent %d times, want once", sent)
		}
	})
}

// coder/coder#23473: a rotated pair was thrown away because a check came before it was saved.
func TestNobodySeesANewTokenBeforeItIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) == 2 { // The commit.
				w.gh.ResetCalls()
				time.Sleep(3 * time.Second)
				if n := userCalls(w.gh); n != 0 {
					t.Errorf("%d calls were made before the token was stored", n)
				}
			}
			return put()
		})
		herd(t, 20, m)
	})
}

func TestStoreAwayAtCommitServesFromMemoryAndStoresLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		out := errors.New("out of order")
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) == 1 {
				return put() // The claim goes through.
			}
			return out
		})
		herd(t, 20, m)
		if g := w.stored(t, "583231")["generation"]; g != 0.0 {
			t.Fatalf("generation = %v although the store took no write", g)
		}
		// Reads fail too for a while: nobody notices.
		w.store.set(func() error { return out }, func(func() error) error { return out })
		herd(t, 20, m)
		if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Lookup while the store is away = %v, want that nothing is known", err)
		}

		w.store.set(nil, nil)
		time.Sleep(10 * time.Second)
		if g := w.stored(t, "583231")["generation"]; g != 1.0 {
			t.Errorf("after the store came back generation = %v, want 1", g)
		}
		herd(t, 20, m, w.manager(t))
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestPairThatIsNotStoredYetIsTheOneThatIsRefreshedNext(t *testing.T) {
	t.Parallel()
	const life = 10 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, TokenLife: life})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(life)
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) == 1 {
				return put()
			}
			return errors.New("out of order")
		})
		herd(t, 5, m)
		time.Sleep(life)
		if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token with an expired token and no store to write to = %v", err)
		}
		w.store.set(nil, nil)
		start := time.Now()
		herd(t, 5, m)
		if waited := time.Since(start); waited > 100*time.Millisecond {
			t.Errorf("callers waited %v for a pair that could be stored at once", waited)
		}
		if n, g := w.gh.TokenRequests("refresh_token"), w.stored(t, "583231")["generation"]; n != 2 || g != 2.0 {
			t.Errorf("%d refreshes and generation %v, want 2 and 2", n, g)
		}
	})
}

// The commit took effect, but neither its answer nor the re-reading came through.
func TestCommitThatCountedThoughNobodyKnewItIsFoundLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		out := errors.New("out of order")
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) < 2 {
				return put()
			}
			err := put()
			w.store.set(func() error { return out }, func(func() error) error { return out })
			return errors.Join(err, out)
		})
		herd(t, 1, m)
		w.store.set(nil, nil)
		time.Sleep(time.Minute)
		herd(t, 5, m)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens are alive at GitHub, want the one that was stored", n)
		}
	})
}

// The winner was slow to store its pair, so that another replica took the grant for dead.
func TestWinnerIsStoredOverNeedsLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		go func() {
			time.Sleep(time.Second)
			w.change(t, "583231", func(v map[string]any) {
				v["write_id"], v["needs_login"] = "another's", "lost"
				v["lease"] = map[string]any{"owner": "another", "length_ns": 30 * time.Second}
			})
		}()
		herd(t, 5, m)
		v := w.stored(t, "583231")
		if v["needs_login"] != nil || v["lease"] != nil || v["generation"] != 1.0 {
			t.Errorf("stored: needs_login %v, lease %v, generation %v", v["needs_login"], v["lease"], v["generation"])
		}
	})
}

func TestCloseStoresWhatIsPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) == 1 {
				return put()
			}
			return errors.New("out of order")
		})
		herd(t, 1, m)
		go func() {
			time.Sleep(30 * time.Second)
			w.store.set(nil, nil)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
		if g := w.stored(t, "583231")["generation"]; g != 1.0 {
			t.Errorf("after Close generation = %v, want 1", g)
		}
	})
}

func TestCloseReturnsInTimeAndSaysWhatItCouldNotStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if writes.Add(1) == 1 {
				return put()
			}
			return errors.New("out of order")
		})
		herd(t, 1, m)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := m.Close(ctx)
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v, want an error that a token could not be stored", err)
		}
		if took := time.Since(start); took > time.Minute+time.Second {
			t.Errorf("Close took %v, want the minute it was given", took)
		}
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token after Close, still good = %v", err)
		}
		time.Sleep(tokenLife)
		if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token after Close, expired = %v, want ErrTryLater", err)
		}
	})
}

func TestCloseWithNothingUnderWayIsNoErrorEvenWithoutTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := m.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
}

func TestCommitWhoseAnswerGotLostIsNoConflict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		_, before := w.store.counts()
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			if err := put(); err != nil || writes.Add(1) == 2 {
				return err
			}
			return errors.New("the answer got lost")
		})
		herd(t, 20, m)
		// The claim is written again, since only one that was answered counts; the commit is found to have counted.
		if _, after := w.store.counts(); after-before != 3 {
			t.Errorf("%d writes took effect, want 3", after-before)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestSignOutDuringARefreshIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		go func() {
			time.Sleep(time.Second)
			if err := m.SignOut(t.Context(), session); err != nil {
				t.Errorf("SignOut = %v", err)
			}
		}()
		if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrSignInAgain) {
			t.Errorf("Token of one who signed out meanwhile = %v, want ErrSignInAgain", err)
		}
		synctest.Wait()
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive at GitHub, want 0: nobody else knows the new pair", n)
		}
		if _, ok := w.stored(t, "583231")["forgotten"]; !ok {
			t.Error("the refresh brought a forgotten grant back")
		}
	})
}

// first-tree-ai/first-tree#1663: a late writer overwrote a newer sign-in.
func TestSignInDuringARefreshIsNotOverwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		go func() {
			time.Sleep(time.Second)
			w.signIn(t, m, "octocat")
		}()
		herd(t, 1, m)
		time.Sleep(time.Minute)
		if g := w.stored(t, "583231")["generation"]; g != 0.0 {
			t.Errorf("generation = %v, want the new sign-in's 0", g)
		}
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens are alive at GitHub, want the new sign-in's alone", n)
		}
		herd(t, 1, m)
	})
}

func TestRevokedGrantNeedsLoginAndStaysToSayWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		w.gh.RevokeUser(w.app.ClientID, octocat)
		time.Sleep(tokenLife)
		for range 3 {
			_, err := m.Token(t.Context(), octocat)
			if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonRevoked {
				t.Errorf("Token = %v, want ReasonRevoked", err)
			}
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
		_, needsLogin, err := m.Lookup(t.Context(), session)
		if err != nil || needsLogin != grant.ReasonRevoked {
			t.Errorf("Lookup = %q, %v; want signed in, and the reason", needsLogin, err)
		}
		w.signIn(t, m, "octocat")
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token after a new sign-in = %v", err)
		}
		if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
			t.Errorf("the first browser after a new sign-in in another = %q, %v", needsLogin, err)
		}
	})
}

// A lost answer may have spent the refresh token. Sending it again at once would turn a hiccup into
// bad_refresh_token.
func TestLostAnswerIsNotAskedForAgainAtOnceAndIsToldFromARevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, LoseAnswer: true})
		for range 3 {
			if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
				t.Errorf("Token = %v, want ErrTryLater", err)
			}
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes at once, want 1", n)
		}
		time.Sleep(time.Minute)
		_, err := m.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonLost {
			t.Errorf("Token = %v, want ReasonLost", err)
		}
	})
}

// An outage, a rate limit and a wrong secret say nothing about a user: coder/coder#24334 and others
// took them for a revocation.
func TestNoOutageSignsAnybodyOut(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]githubtest.Fault{
		"500":         {Status: http.StatusInternalServerError},
		"502":         {Status: http.StatusBadGateway, Body: "<html>"},
		"403":         {Status: http.StatusForbidden, Body: `{"message":"rate limit"}`},
		"429":         {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}},
		"hang":        {Hang: true},
		"garbage":     {Status: http.StatusOK, Body: "access_token"},
		"empty":       {Status: http.StatusOK},
		"bad secret":  {Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"incorrect_client_credentials"}`},
		"redirection": {Status: http.StatusFound, Header: http.Header{"Location": {"https://elsewhere.example/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				session := w.signIn(t, m, "octocat")
				fault.Match = isRefresh
				remove := w.gh.Inject(fault)

				// While the token is good, nobody notices.
				time.Sleep(tokenLife - time.Minute)
				herd(t, 20, m)
				time.Sleep(time.Minute)
				for range 5 {
					_, err := m.Token(t.Context(), octocat)
					if errors.Is(err, oauth.ErrSignInAgain) || !errors.Is(err, oauth.ErrTryLater) && !errors.Is(err, oauth.ErrMisconfigured) {
						t.Errorf("Token = %v, want a class that signs nobody out", err)
					}
				}
				if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
					t.Errorf("Lookup = %q, %v; want signed in", needsLogin, err)
				}
				if n := w.gh.TokenRequests("refresh_token"); n > 5 {
					t.Errorf("%d refreshes in a minute of outage", n)
				}

				remove()
				time.Sleep(10 * time.Minute)
				herd(t, 20, m)
			})
		})
	}
}

// What one replica learned from a failure binds the others.
func TestBackoffHoldsForTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		replicas := []*grant.Manager{w.manager(t), w.manager(t), w.manager(t), w.manager(t)}
		w.signIn(t, replicas[0], "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{
			Match: isRefresh, Delay: time.Second, // While the others wait for the lease.
			Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}},
		})
		var wg sync.WaitGroup
		for _, m := range replicas {
			wg.Go(func() {
				if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
					t.Errorf("Token = %v, want ErrTryLater", err)
				}
			})
		}
		wg.Wait()
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes of four replicas, want the first's alone", n)
		}
		time.Sleep(20 * time.Second)
		if _, err := w.manager(t).Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token of a new replica = %v, want ErrTryLater", err)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes within GitHub's Retry-After", n)
		}
	})
}

// A time that no replica can have meant was written by one whose clock was wrong.
func TestBackoffOfAWrongClockBindsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.change(t, "583231", func(v map[string]any) {
			v["failure"] = map[string]any{"at": time.Now(), "not_before": time.Now().Add(365 * 24 * time.Hour), "count": 1}
		})
		herd(t, 3, m)
	})
}

func TestRevocationThatARefreshInsideTheMarginFindsCountsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		w.gh.RevokeUser(w.app.ClientID, octocat)
		time.Sleep(tokenLife - time.Minute)
		_, err := m.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonRevoked {
			t.Errorf("Token = %v, want ReasonRevoked", err)
		}
	})
}

// A replica died with the lease; the next one met a rate limit, and the one after that a dead token.
func TestWhatALeaseLeftBehindToldIsNotForgottenByAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.change(t, "583231", func(v map[string]any) {
			v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
			v["token"].(map[string]any)["refresh_token"] = "ghr_spent"
		})
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Status: http.StatusTooManyRequests})
		if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token = %v, want ErrTryLater", err)
		}
		time.Sleep(10 * time.Minute)
		_, err := m.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonLost {
			t.Errorf("Token = %v, want ReasonLost", err)
		}
	})
}

// A token that GitHub has just issued may not work everywhere yet.
func TestA401OfATokenThatIsAMomentOldIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		fresh := githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Status: http.StatusUnauthorized}
		w.gh.Inject(fresh)
		w.signIn(t, m, "octocat")
		w.gh.Inject(fresh)
		herd(t, 1, m)
		time.Sleep(tokenLife)
		w.gh.Inject(fresh)
		herd(t, 1, m)
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want the one at expiry", n)
		}
	})
}

// The token check may not know it yet either.
func TestA401OfATokenThatIsAMomentOldAndDoesNotExpireIsNoRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		start := time.Now()
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Status: http.StatusUnauthorized})
		w.gh.Inject(githubtest.Fault{
			Match: func(r *http.Request) bool {
				return strings.HasPrefix(r.URL.Path, "/applications/") && time.Since(start) < 400*time.Millisecond
			},
			Status: http.StatusNotFound, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"message":"Not Found"}`,
		})
		herd(t, 1, m)
	})
}

func TestSecondClientSecretIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.managerOf(t, w.oauth(t, "not-this-one", w.app.Secrets[0]))
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		herd(t, 10, m)
	})
}

func TestWrongSecretIsAnOperatorsErrorAndEndsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		good := w.manager(t)
		session := w.signIn(t, good, "octocat")
		wrong := w.managerOf(t, w.oauth(t, "mistyped"))
		time.Sleep(tokenLife)
		if _, err := wrong.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrMisconfigured) {
			t.Errorf("Token = %v, want ErrMisconfigured", err)
		}
		_, err := wrong.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.BackoffError](err); !ok || !errors.Is(err, oauth.ErrMisconfigured) || e.RetryAfter <= 0 {
			t.Errorf("Token at once again = %v, want a BackoffError of the same class", err)
		}
		time.Sleep(time.Minute)
		herd(t, 10, good)
		if _, needsLogin, err := good.Lookup(t.Context(), session); err != nil || needsLogin != "" {
			t.Errorf("Lookup = %q, %v", needsLogin, err)
		}
	})
}

func TestExpiredRefreshTokenAsksForSignInWithoutACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithKeepTokens())
		w.signIn(t, m, "octocat")
		w.change(t, "583231", func(map[string]any) {}) // Without a store expiry, which would hide it.
		time.Sleep(185 * 24 * time.Hour)
		_, err := m.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonExpired {
			t.Errorf("Token = %v, want ReasonExpired", err)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 0 {
			t.Errorf("%d refreshes, want 0", n)
		}
	})
}

func TestTokenWithoutExpiryIsNeverRefreshed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithKeepTokens())
		w.signIn(t, m, "octocat")
		time.Sleep(300 * 24 * time.Hour)
		herd(t, 10, m)
		if n := w.gh.TokenRequests("refresh_token"); n != 0 {
			t.Errorf("%d refreshes of a token that does not expire", n)
		}
	})
}

// A replica that dies after it claimed the refresh leaves its lease behind.
func TestLeaseOfADeadReplicaIsTakenOverAfterItsLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.change(t, "583231", func(v map[string]any) {
			v["write_id"] = "another's"
			v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
		})
		start := time.Now()
		herd(t, 20, m)
		if waited := time.Since(start); waited < 30*time.Second || waited > 35*time.Second {
			t.Errorf("the lease was taken over after %v, want its 30 s", waited)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestDeadReplicaThatHadRotatedIsToldFromARevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.change(t, "583231", func(v map[string]any) {
			v["write_id"] = "another's"
			v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
			v["token"].(map[string]any)["refresh_token"] = "ghr_spent"
		})
		_, err := m.Token(t.Context(), octocat)
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonLost {
			t.Errorf("Token = %v, want ReasonLost", err)
		}
	})
}

func TestStoreAwayIsAnOutageAndNobodyIsSignedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		out := errors.New("out of order")
		w.store.set(nil, func(func() error) error { return out })
		_, err := m.Token(t.Context(), octocat)
		if _, ok := errors.AsType[*grant.StoreError](err); !ok || !errors.Is(err, oauth.ErrTryLater) || !errors.Is(err, out) {
			t.Errorf("Token = %v, want a StoreError", err)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 0 {
			t.Errorf("%d refresh tokens were spent with no store to write to", n)
		}
		w.store.set(nil, nil)
		herd(t, 10, m)
		if _, _, err := m.Lookup(t.Context(), session); err != nil {
			t.Errorf("Lookup = %v", err)
		}
	})
}
