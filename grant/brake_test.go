package grant_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// crowd signs n users in and lets their tokens run out.
func (w *world) crowd(t *testing.T, m *grant.Manager, n int64) {
	t.Helper()
	for id := int64(1); id <= n; id++ {
		login := fmt.Sprintf("user-%d", id)
		w.gh.AddUser(githubtest.User{ID: id, Login: login})
		w.signIn(t, m, login)
	}
	time.Sleep(tokenLife)
}

// coder/coder#10853, #14982, #15608: refreshes that failed were tried again and again, until GitHub answered 429 to
// the whole app. What a grant notes spares GitHub that user alone; an app has thousands.
func TestGitHubThatRefusesTheAppIsNotAskedForEveryUser(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault githubtest.Fault
		class error
		most  int // Token requests for 100 users, one after the other.
	}{
		"wrong secret": {githubtest.Fault{Header: http.Header{"Content-Type": {"application/json"}}, Status: 200, Body: `{"error":"incorrect_client_credentials"}`}, oauth.ErrMisconfigured, 1},
		"429":          {githubtest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}}, oauth.ErrTryLater, 1},
		"502":          {githubtest.Fault{Status: http.StatusBadGateway}, oauth.ErrTryLater, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const users = 100
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				w.crowd(t, m, users)
				tt.fault.Match = isRefresh
				remove := w.gh.Inject(tt.fault)
				for id := int64(1); id <= users; id++ {
					_, err := m.Token(t.Context(), id)
					if !errors.Is(err, tt.class) {
						t.Errorf("Token = %v, want %v", err, tt.class)
					}
					if e, ok := errors.AsType[*grant.BackoffError](err); ok && e.RetryAfter <= 0 {
						t.Errorf("RetryAfter = %v", e.RetryAfter)
					}
				}
				if n := w.gh.TokenRequests("refresh_token"); n > tt.most {
					t.Errorf("%d token requests for %d users, want at most %d", n, users, tt.most)
				}
				for range 3600 { // An hour of every user coming back every second.
					_, _ = m.Token(t.Context(), 7)
					_, _ = m.Token(t.Context(), 8)
					_, _ = m.Token(t.Context(), 9)
					time.Sleep(time.Second)
				}
				if n := w.gh.TokenRequests("refresh_token"); n > 240 {
					t.Errorf("%d token requests in an hour of a refusal, of the 2,000 that GitHub allows the app", n)
				}
				remove()
				time.Sleep(10 * time.Minute)
				for id := int64(1); id <= users; id++ {
					if _, err := m.Token(t.Context(), id); err != nil {
						t.Errorf("Token after it was mended = %v", err)
					}
				}
			})
		})
	}
}

// The request that was to find out whether things are mended waited for the lease of a dead replica, and everybody
// else for it.
func TestBrakeIsNotHeldByARequestThatWaitsForALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, 3)
		w.change(t, "1", func(v map[string]any) {
			v["write_id"] = "another's"
			v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
		})
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}})
		if _, err := m.Token(t.Context(), 2); !errors.Is(err, oauth.ErrTryLater) {
			t.Fatalf("Token = %v", err)
		}
		time.Sleep(time.Minute)
		go func() { _, _ = m.Token(t.Context(), 1) }()
		time.Sleep(10 * time.Second)
		if _, err := m.Token(t.Context(), 3); err != nil {
			t.Errorf("Token of another user = %v", err)
		}
	})
}

// Users who withdrew their access say nothing against GitHub.
func TestRevokedUsersHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, 6)
		for id := int64(1); id < 6; id++ {
			w.gh.RevokeUser(w.app.ClientID, id)
			if _, err := m.Token(t.Context(), id); !errors.Is(err, oauth.ErrSignInAgain) {
				t.Errorf("Token = %v, want ErrSignInAgain", err)
			}
		}
		if _, err := m.Token(t.Context(), 6); err != nil {
			t.Errorf("Token of a user with access = %v", err)
		}
	})
}

// Users who signed in together do not all refresh in one moment.
func TestUsersWhoSignedInTogetherAreRefreshedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 60
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		for id := int64(1); id <= users; id++ {
			login := fmt.Sprintf("user-%d", id)
			w.gh.AddUser(githubtest.User{ID: id, Login: login})
			w.signIn(t, m, login)
		}
		time.Sleep(tokenLife - 5*time.Minute - 37*time.Second) // In the middle of the quarter that is added.
		for id := int64(1); id <= users; id++ {
			if _, err := m.Token(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if n := w.gh.TokenRequests("refresh_token"); n < users/6 || n > users*5/6 {
			t.Errorf("%d of %d users refreshed, want about half", n, users)
		}
	})
}

// When the brake's time is up, one request finds out whether things are mended, not those of all users.
func TestOneRequestFindsOutWhetherGitHubIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 50
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, users)
		w.gh.Inject(githubtest.Fault{
			Match: isRefresh, Delay: 2 * time.Second, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}},
		})
		_, _ = m.Token(t.Context(), 1)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for id := int64(2); id <= users; id++ {
			wg.Go(func() { _, _ = m.Token(t.Context(), id) })
		}
		wg.Wait()
		if n := w.gh.TokenRequests("refresh_token"); n != 2 {
			t.Errorf("%d token requests, want the first and one more", n)
		}
	})
}

// Three hundred users come back at one moment, and GitHub refuses: the brake hears of it by answers alone.
func TestHerdOfUsersAsksNoMoreThanItsTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 300
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, users)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: http.StatusTooManyRequests, Delay: 300 * time.Millisecond})
		var wg sync.WaitGroup
		for id := int64(1); id <= users; id++ {
			wg.Go(func() {
				if _, err := m.Token(t.Context(), id); !errors.Is(err, oauth.ErrTryLater) {
					t.Errorf("Token = %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.gh.TokenRequests("refresh_token"); n > 32 {
			t.Errorf("%d token requests for %d users at once, want at most 32", n, users)
		}
	})
}

// GitHub failed for a moment, while many users came back at once. Each of their requests made the brake hold twice as long, and
// whoever came next had to wait for half a minute.
func TestMomentOfTroubleUnderManyRefreshesIsSoonOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 32
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, users+1)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: users, Status: http.StatusBadGateway, Delay: 300 * time.Millisecond})
		var wg sync.WaitGroup
		for id := int64(1); id <= users; id++ {
			wg.Go(func() { _, _ = m.Token(t.Context(), id) })
		}
		wg.Wait()
		if _, err := m.Token(t.Context(), users+1); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token at once = %v, want that the brake holds", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := m.Token(t.Context(), users+1); err != nil {
			t.Errorf("Token two seconds later = %v", err)
		}
	})
}

// An outage that goes on makes the brake hold longer each time, and when it ends nobody waits for longer than they had waited by then.
func TestBrakeHoldsNoLongerThanUsersWaitAnyway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 12
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, users)
		remove := w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: http.StatusBadGateway})
		everybody := func() (failed int) {
			for id := int64(1); id <= users; id++ {
				if _, err := m.Token(t.Context(), id); err != nil {
					failed++
				}
			}
			return failed
		}
		for range 30 {
			everybody()
			time.Sleep(200 * time.Millisecond)
		}
		remove()
		for range 40 {
			everybody()
			time.Sleep(200 * time.Millisecond)
		}
		if failed := everybody(); failed > 0 {
			t.Errorf("%d of %d users are not served eight seconds after an outage of six", failed, users)
		}
	})
}

// One replica has a mistyped secret. What others refresh serves there all the same.
func TestReplicaThatGitHubRefusesAdoptsWhatOthersRefreshed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		good, wrong := w.manager(t), w.managerOf(t, w.oauth(t, "mistyped"))
		w.crowd(t, good, 2)
		if _, err := wrong.Token(t.Context(), 1); !errors.Is(err, oauth.ErrMisconfigured) {
			t.Fatalf("Token = %v", err)
		}
		if _, err := good.Token(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if _, err := wrong.Token(t.Context(), 2); err != nil {
			t.Errorf("Token = %v", err)
		}
	})
}

// While GitHub refuses the app, tokens that are good go on to serve, and nobody waits.
func TestGoodTokensAreServedWhileGitHubRefusesTheApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, 1)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: http.StatusTooManyRequests})
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Minute)
		_, _ = m.Token(t.Context(), 1)
		start := time.Now()
		herd(t, 50, m)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("callers with a good token waited %v", waited)
		}
	})
}

// Thirty-two users' tokens were lost with a replica that died. Each of them waits for the length of a lease until it is said so, and
// everybody else's refresh waited with them.
func TestLostTokensHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lost = 32
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, lost+1)
		for id := int64(1); id <= lost; id++ {
			w.change(t, strconv.FormatInt(id, 10), func(v map[string]any) {
				v["failure"] = map[string]any{"unknown": true}
				v["token"].(map[string]any)["refresh_token"] = "ghr_spent"
			})
		}
		var wg sync.WaitGroup
		for id := int64(1); id <= lost; id++ {
			wg.Go(func() {
				if _, err := m.Token(t.Context(), id); !errors.Is(err, oauth.ErrSignInAgain) {
					t.Errorf("Token of a user whose token was lost = %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		if _, err := m.Token(t.Context(), lost+1); err != nil {
			t.Errorf("Token of another user = %v", err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("another user waited %v", waited)
		}
		wg.Wait()
	})
}

// Another replica was a moment faster to claim thirty-two users' refreshes, and died. Whoever waits for its leases must not keep
// other users from theirs.
func TestLostRacesForLeasesHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 32
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, users+1)
		var claimed sync.Once
		w.store.set(nil, func(put func() error) error {
			time.Sleep(10 * time.Millisecond)
			claimed.Do(func() {
				for id := int64(1); id <= users; id++ {
					w.change(t, strconv.FormatInt(id, 10), func(v map[string]any) {
						v["write_id"] = "another's"
						v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
					})
				}
			})
			return put()
		})
		var wg sync.WaitGroup
		for id := int64(1); id <= users; id++ {
			wg.Go(func() {
				if _, err := m.Token(t.Context(), id); err != nil {
					t.Errorf("Token = %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		if _, err := m.Token(t.Context(), users+1); err != nil {
			t.Errorf("Token of another user = %v", err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("another user waited %v", waited)
		}
		wg.Wait()
	})
}

// GitHub refused the app for a moment, just when the lease of a dead replica had been waited for. The wait began anew.
func TestBrakeDoesNotMakeALeaseBeWaitedForTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, 2)
		w.change(t, "1", func(v map[string]any) {
			v["write_id"] = "another's"
			v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
		})
		waited := make(chan error)
		go func() {
			_, err := m.Token(t.Context(), 1)
			waited <- err
		}()
		time.Sleep(25 * time.Second)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}})
		if _, err := m.Token(t.Context(), 2); !errors.Is(err, oauth.ErrTryLater) {
			t.Fatalf("Token = %v", err)
		}
		if err := <-waited; !errors.Is(err, oauth.ErrTryLater) {
			t.Fatalf("Token while GitHub refuses the app = %v", err)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		if _, err := m.Token(t.Context(), 1); err != nil {
			t.Errorf("Token once GitHub takes it again = %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the lease was waited for again, for %v", took)
		}
	})
}
