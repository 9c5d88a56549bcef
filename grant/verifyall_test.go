package grant_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// everybody signs n users in, with ids from 1.
func (w *world) everybody(t *testing.T, m *grant.Manager, n int64) []grant.Session {
	t.Helper()
	var sessions []grant.Session
	for id := int64(1); id <= n; id++ {
		login := fmt.Sprintf("user-%d", id)
		w.gh.AddUser(githubtest.User{ID: id, Login: login})
		sessions = append(sessions, w.signIn(t, m, login))
	}
	return sessions
}

var plainApp = githubtest.App{NoExpiry: true}

func TestVerifyAllForgetsWhoWithdrewAndNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 20
		w := newWorld(t, plainApp)
		m := w.managerOn(t, w.store.Store, grant.WithKeepTokens())
		sessions := w.everybody(t, m, users)
		// Nobody's grants of this host: another app's, another host's, and what is no user at all.
		w.change(t, "20", func(v map[string]any) { v["client_id"] = "another" })
		for _, key := range []string{"git.example.com/1", "github.com/1/2", "github.com/x", "github.com/007"} {
			if _, err := w.store.Store.Put(t.Context(), key, store.Entry{Value: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		for id := int64(1); id <= users; id += 4 {
			w.gh.RevokeUser(w.app.ClientID, id)
		}
		start := time.Now()
		got, err := m.VerifyAll(t.Context(), 0)
		if took := time.Since(start); took < (users-2)*2*time.Second {
			t.Errorf("without a pace of its own it took %v", took)
		}
		if want := (grant.Verified{Alive: 14, Forgotten: 5}); got != want || err != nil {
			t.Errorf("VerifyAll = %+v, %v, want %+v", got, err, want)
		}
		for i, s := range sessions[:users-1] {
			wantSignedIn(t, m, s, i%4 != 0)
		}
		if got, err := m.VerifyAll(t.Context(), 0); got != (grant.Verified{Alive: 14}) || err != nil {
			t.Errorf("a second time it is %+v, %v", got, err)
		}
	})
}

// An access token that ran out says nothing about its user, and whoever is away must not be kept alive by upkeep.
func TestVerifyAllLeavesTokensThatRanOutAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.managerOn(t, w.store.Store)
		sessions := w.everybody(t, m, 3)
		time.Sleep(tokenLife)
		w.signIn(t, m, "user-2")
		w.signIn(t, m, "user-3")
		w.gh.RevokeUser(w.app.ClientID, 1)
		w.gh.RevokeUser(w.app.ClientID, 2)
		before := w.gh.TokenRequests("refresh_token")
		got, err := m.VerifyAll(t.Context(), time.Second)
		if want := (grant.Verified{Alive: 1, Forgotten: 1, Unsure: 1}); got != want || err != nil {
			t.Errorf("VerifyAll = %+v, %v, want %+v", got, err, want)
		}
		wantSignedIn(t, m, sessions[0], true)
		wantSignedIn(t, m, sessions[1], false)
		wantSignedIn(t, m, sessions[2], true)
		if n := w.gh.TokenRequests("refresh_token") - before; n != 1 { // Of the one whose access token GitHub did not know.
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// Their token has met a 401, so they must sign in again. Now they are forgotten, too, and GitHub need not be asked.
func TestVerifyAllForgetsWhoIsKnownToHaveWithdrawn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainApp)
		m := w.managerOn(t, w.store.Store)
		s := w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		_, _ = m.HTTPClient(octocat).Get("https://api.github.com/user") //nolint:bodyclose // There is none.
		before := checks(w)
		if got, err := m.VerifyAll(t.Context(), time.Second); got != (grant.Verified{Forgotten: 1}) || err != nil {
			t.Errorf("VerifyAll = %+v, %v", got, err)
		}
		if n := checks(w) - before; n != 0 {
			t.Errorf("%d calls", n)
		}
		wantSignedIn(t, m, s, false)
	})
}

// A store that answers only now and then costs some users their turn, and the others not theirs.
func TestVerifyAllGoesOnWhileSomebodyCanBeAskedAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainApp)
		m := w.managerOn(t, listing{w.store, w.store.Store.(store.Lister)})
		w.everybody(t, m, 14)
		time.Sleep(time.Hour)
		gets := 0
		w.store.set(func() error {
			if gets++; gets%4 != 0 { // Three tries of one user, then one of another.
				return errors.New("connection refused")
			}
			return nil
		}, nil)
		got, err := m.VerifyAll(t.Context(), time.Second)
		if want := (grant.Verified{Alive: 7, Failed: 7}); got != want || err != nil {
			t.Errorf("VerifyAll = %+v, %v, want %+v", got, err, want)
		}
	})
}

// A pair that was lost leaves a dead token behind, of a user who has withdrawn nothing.
func TestVerifyAllForgetsNobodyWhosePairWasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.managerOn(t, w.store.Store)
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - 4*time.Minute)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, LoseAnswer: true})
		_, _ = m.Token(t.Context(), octocat)
		time.Sleep(time.Minute)
		for range 3 {
			if got, err := m.VerifyAll(t.Context(), time.Second); got.Unsure != 1 || err != nil {
				t.Errorf("VerifyAll = %+v, %v", got, err)
			}
			wantSignedIn(t, m, s, true)
		}
	})
}

func TestVerifyAllKeepsItsPaceAndWaitsAsLongAsGitHubAsks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault *githubtest.Fault
		least time.Duration // For ten users.
	}{
		"pace":                       {nil, 10 * 3 * time.Second},
		"429 with Retry-After":       {&githubtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"600"}}}, 10 * time.Minute},
		"403 with a reset":           {&githubtest.Fault{Status: 403, Header: http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946690200"}}}, 30 * time.Minute},
		"403 without":                {&githubtest.Fault{Status: 403, Body: `{"message":"You have exceeded a secondary rate limit"}`}, time.Minute},
		"a bad gateway":              {&githubtest.Fault{Status: 502}, 32 * time.Second},
		"404 that is a proxy's page": {&githubtest.Fault{Status: 404, Header: http.Header{"Content-Type": {"text/html"}}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, plainApp)
				m := w.managerOn(t, w.store.Store)
				sessions := w.everybody(t, m, 10)
				time.Sleep(time.Hour)
				if tt.fault != nil {
					tt.fault.Match, tt.fault.Times = isCheck, 1
					w.gh.Inject(*tt.fault)
				}
				w.gh.ResetCalls()
				start := time.Now()
				got, err := m.VerifyAll(t.Context(), 3*time.Second)
				if want := (grant.Verified{Alive: 10}); got != want && tt.least > 0 || (err != nil) != (tt.least == 0) {
					t.Errorf("VerifyAll = %+v, %v, want %+v", got, err, want)
				}
				if took := time.Since(start); took < tt.least || took > tt.least+time.Minute {
					t.Errorf("it took %v, want %v or somewhat more", took, tt.least)
				}
				last := start.Add(-time.Hour)
				for _, c := range w.gh.Calls() {
					if c.Time.Sub(last) < 3*time.Second {
						t.Errorf("calls %v apart", c.Time.Sub(last))
					}
					last = c.Time
				}
				for _, s := range sessions {
					wantSignedIn(t, m, s, true)
				}
			})
		})
	}
}

func TestVerifyAllEndsEarlyWithAReason(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	for name, tt := range map[string]struct {
		prepare func(w *world, m *grant.Manager, cancel func())
		want    error
		asked   int // Calls to GitHub at most.
	}{
		"context ended": {func(_ *world, _ *grant.Manager, cancel func()) { time.AfterFunc(90*time.Second, cancel) }, context.Canceled, 2},
		"closed": {func(_ *world, m *grant.Manager, _ func()) {
			time.AfterFunc(90*time.Second, func() { _ = m.Close(t.Context()) })
		}, grant.ErrClosed, 2},
		"GitHub is away": {func(w *world, _ *grant.Manager, _ func()) { w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 503}) }, oauth.ErrTryLater, 15},
		"wrong client secret": {func(w *world, _ *grant.Manager, _ func()) {
			w.gh.UpdateApp(w.app.ClientID, func(a *githubtest.App) { a.Secrets = []string{"another"} })
		}, oauth.ErrMisconfigured, 1},
		"store is away": {func(w *world, _ *grant.Manager, _ func()) { w.store.set(func() error { return down }, nil) }, down, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, plainApp)
				m := w.managerOn(t, listing{w.store, w.store.Store.(store.Lister)})
				sessions := w.everybody(t, m, 10)
				time.Sleep(time.Hour)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.gh.ResetCalls()
				tt.prepare(w, m, cancel)
				start := time.Now()
				got, err := m.VerifyAll(ctx, time.Minute)
				if !errors.Is(err, tt.want) || got.Forgotten != 0 {
					t.Errorf("VerifyAll = %+v, %v, want %v", got, err, tt.want)
				}
				if n := checks(w); n > tt.asked {
					t.Errorf("%d calls, want %d at most", n, tt.asked)
				}
				if strings.HasSuffix(name, "ed") && time.Since(start) != 90*time.Second {
					t.Errorf("it went on for %v", time.Since(start))
				}
				w.store.set(nil, nil)
				other := w.manager(t)
				for _, s := range sessions {
					wantSignedIn(t, other, s, true)
				}
			})
		})
	}
}

// listing is a faulty store that can list.
type listing struct {
	*faultyStore
	lister store.Lister
}

func (l listing) Keys(ctx context.Context) iter.Seq2[string, error] { return l.lister.Keys(ctx) }

// One grant that this version can't read is not overwritten, and does not keep the others from being asked about.
func TestVerifyAllPassesOverAGrantItCannotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainApp)
		m := w.managerOn(t, w.store.Store)
		w.everybody(t, m, 8)
		time.Sleep(time.Hour)
		w.change(t, "3", func(v map[string]any) { v["format"] = 99 })
		got, err := m.VerifyAll(t.Context(), time.Second)
		if want := (grant.Verified{Alive: 7, Failed: 1}); got != want || err != nil {
			t.Errorf("VerifyAll = %+v, %v, want %+v", got, err, want)
		}
		if w.stored(t, "3")["format"] != 99.0 {
			t.Error("it was overwritten")
		}
	})
}

func TestVerifyAllNeedsAStoreThatCanList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainApp)
	if _, err := w.manager(t).VerifyAll(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "store.Lister") {
		t.Errorf("VerifyAll = %v", err)
	}
	if _, err := w.managerOn(t, w.store.Store).VerifyAll(t.Context(), -1); err == nil {
		t.Error("a negative pace is taken")
	}
}
