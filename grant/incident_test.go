package grant_test

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// coder/coder#17069, #24228: the loser of a refresh got bad_refresh_token and threw the winner's token away. Here the
// winner's process hangs between GitHub's answer and its write until its lease has run out.
func TestHolderPausedBeyondItsLeaseStillStoresItsPairAndTheLoserAdoptsIt(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{
		"until another has asked":            40 * time.Second,
		"until another has taken it as lost": 80 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				slow := &faultyStore{Store: w.store.Store}
				winner, err := grant.New(w.oauth(t), slow, grant.WithTransport(w.gh.Transport()), grant.WithStaleness(0))
				if err != nil {
					t.Fatal(err)
				}
				defer winner.Close(t.Context())
				loser := w.manager(t)
				w.signIn(t, winner, "octocat")
				time.Sleep(tokenLife)
				var writes atomic.Int64
				slow.set(nil, func(put func() error) error {
					if writes.Add(1) == 2 {
						time.Sleep(pause)
					}
					return put()
				})
				go herd(t, 5, winner)
				time.Sleep(time.Second)
				_, _ = loser.Token(t.Context(), octocat)
				time.Sleep(2 * time.Minute)
				herd(t, 5, winner, loser)
				v := w.stored(t, "583231")
				if v["generation"] != 1.0 || v["needs_login"] != nil || v["lease"] != nil {
					t.Errorf("stored: generation %v, needs_login %v, lease %v", v["generation"], v["needs_login"], v["lease"])
				}
				if n := w.gh.TokenRequests("refresh_token"); n != 2 {
					t.Errorf("%d refreshes, want the winner's and the loser's", n)
				}
			})
		})
	}
}

// oauth2-proxy/oauth2-proxy#1473 and others: a fleet fired as many refreshes as it had requests.
func TestHerdOverEightReplicasRefreshesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		var fleet []*grant.Manager
		for range 8 {
			fleet = append(fleet, w.manager(t, grant.WithStaleness(10*time.Second)))
		}
		w.signIn(t, fleet[0], "octocat")
		herd(t, 80, fleet...)
		_, before := w.store.counts()
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Delay: 300 * time.Millisecond})
		herd(t, 400, fleet...)
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
		if _, after := w.store.counts(); after-before != 2 {
			t.Errorf("%d writes, want 2", after-before)
		}
	})
}

// coder/coder#24334, #26754: a rate limit of the API was taken for a revocation.
func TestRefusalOfTheAPIIsNoRevocation(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusNotFound, http.StatusInternalServerError} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, gitHubApp)
			m := w.manager(t)
			session := w.signIn(t, m, "octocat")
			remove := w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: status})
			for range 5 {
				if got := getUser(t, m.HTTPClient(octocat)); got != status {
					t.Errorf("GET /user = %d, want GitHub's own %d", got, status)
				}
			}
			remove()
			herd(t, 1, m)
			if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
				t.Errorf("after a %d Lookup = %q, %v", status, needsLogin, err)
			}
			if n := w.gh.TokenRequests("refresh_token"); n != 0 {
				t.Errorf("a %d set off %d refreshes", status, n)
			}
		})
	}
}

// octokit/auth-oauth-user.js#375, #373, backstage/backstage#7617: the refreshed token was not kept, or nobody was told
// of it, so that the next process refreshed with one that was spent.
func TestRefreshedTokenIsWhatTheNextProcessStartsWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		v := new(watcher)
		m := w.manager(t, v.options()...)
		w.signIn(t, m, "octocat")
		for range 5 {
			time.Sleep(tokenLife)
			herd(t, 3, m)
			if got := v.kinds(); !slices.Contains(got, grant.EventRefreshed) {
				t.Errorf("nobody was told of a refresh: %v", got)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			v = new(watcher)
			m = w.manager(t, v.options()...)
			herd(t, 3, m)
			if got := v.kinds(); slices.Contains(got, grant.EventRefreshed) {
				t.Error("a new process refreshed a token that was good")
			}
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 5 {
			t.Errorf("%d refreshes, want 5", n)
		}
	})
}

// BloopAI/bloop#208 and clocks in general: nothing depends on the time of day that a replica takes it to be.
func TestReplicasWhoseClocksAreHoursApartServeEverybody(t *testing.T) {
	t.Parallel()
	for name, skews := range map[string][]time.Duration{
		"one ahead, one behind": {0, 2 * time.Hour, -2 * time.Hour},
		"all behind":            {-3 * time.Hour, -2 * time.Hour},
		"all ahead":             {12 * time.Hour, 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				var fleet []*grant.Manager
				for _, skew := range skews {
					m := w.manager(t, grant.WithStaleness(10*time.Second))
					grant.SetClock(m, func() time.Time { return time.Now().Add(skew) })
					fleet = append(fleet, m)
				}
				w.signIn(t, fleet[0], "octocat")
				for range 96 { // Two days of requests every half an hour.
					herd(t, 2*len(fleet), fleet...)
					time.Sleep(30 * time.Minute)
				}
				if n := w.gh.TokenRequests("refresh_token"); n < 5 || n > 12 && skews[0] < 12*time.Hour {
					t.Errorf("%d refreshes in two days of tokens that live 8 hours", n)
				}
			})
		})
	}
}

// A mistyped secret should show at the roll-out, and not at the first user.
func TestCheckAppTellsAWrongSecretFromAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	if err := w.manager(t).CheckApp(t.Context()); err != nil {
		t.Errorf("CheckApp = %v", err)
	}
	if err := w.managerOf(t, w.oauth(t, "mistyped", w.app.Secrets[0])).CheckApp(t.Context()); err != nil {
		t.Errorf("CheckApp with a good second secret = %v", err)
	}
	if err := w.managerOf(t, w.oauth(t, "mistyped")).CheckApp(t.Context()); !errors.Is(err, oauth.ErrMisconfigured) {
		t.Errorf("CheckApp with a wrong secret = %v, want ErrMisconfigured", err)
	}
	w.gh.Inject(githubtest.Fault{Status: http.StatusBadGateway})
	if err := w.manager(t).CheckApp(t.Context()); !errors.Is(err, oauth.ErrTryLater) || errors.Is(err, oauth.ErrMisconfigured) {
		t.Errorf("CheckApp with GitHub away = %v, want ErrTryLater", err)
	}
}

// The store hiccups more often than a lease is long. Each hiccup ends a refresh, and the next one must not watch the dead
// replica's lease from the beginning.
func TestLeaseOfADeadReplicaIsTakenOverThoughTheStoreHiccups(t *testing.T) {
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
		last := time.Now()
		w.store.set(func() error {
			if time.Since(last) > 20*time.Second {
				last = time.Now()
				return errOut
			}
			return nil
		}, nil)
		start := time.Now()
		for {
			if _, err := m.Token(t.Context(), octocat); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if waited := time.Since(start); waited < 30*time.Second || waited > 40*time.Second {
			t.Errorf("the lease was taken over after %v, want its 30 s", waited)
		}
	})
}

// While a request was under way, its token ran out, was refreshed by another replica, and that one ran out, too.
func TestTokenThatIsAdoptedAfterA401IsRefreshedIfItRanOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t)
		w.signIn(t, a, "octocat")
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Delay: 17 * time.Hour})
		go func() {
			time.Sleep(tokenLife)
			herd(t, 1, a)
		}()
		herd(t, 1, b)
	})
}
