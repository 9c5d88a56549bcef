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
	"github.com/ghlogin/ghlogin/store"
)

var errOut = errors.New("out of order")

// failAfter lets n puts through and fails the others.
func failAfter(n int64) func(put func() error) error {
	var c atomic.Int64
	return func(put func() error) error {
		if c.Add(1) <= n {
			return put()
		}
		return errOut
	}
}

// A refresh is in flight when Close is called; the store hiccups for one second at commit.
func TestRefreshUnderWayAtCloseIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Delay: 5 * time.Second})
		w.store.set(nil, failAfter(1))
		go func() { _, _ = m.Token(t.Context(), octocat) }()
		time.Sleep(time.Second)
		go func() { time.Sleep(6 * time.Second); w.store.set(nil, nil) }() // away until +2s after GitHub's answer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := m.Close(ctx); err != nil {
			t.Errorf("Close after %v = %v", time.Since(start), err)
		}
		if g := w.stored(t, "583231")["generation"]; g != 1.0 {
			t.Errorf("generation = %v, want 1: the new pair is lost", g)
		}
		time.Sleep(10 * time.Second)
	})
}

// Close waits for a pair to be stored. No other refresh begins meanwhile: it might be cut off.
func TestNoRefreshBeginsDuringClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.crowd(t, m, 2)
		w.store.set(nil, failAfter(1))
		if _, err := m.Token(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		w.store.set(nil, func(put func() error) error { time.Sleep(3 * time.Second); return put() })
		closed := make(chan error)
		go func() { closed <- m.Close(t.Context()) }()
		time.Sleep(time.Second)
		if _, err := m.Token(t.Context(), 2); !errors.Is(err, grant.ErrClosed) {
			t.Errorf("Token during Close = %v, want ErrClosed", err)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close = %v", err)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// Close is called while a replica that died holds the lease.
func TestCloseDoesNotWaitForAnothersLease(t *testing.T) {
	t.Parallel()
	for name, phase := range map[string]map[string]any{
		"before it was taken over": nil,
		"for the grace":            {"unknown": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				w.signIn(t, m, "octocat")
				time.Sleep(tokenLife)
				w.change(t, "583231", func(v map[string]any) {
					v["write_id"] = "another's"
					if phase != nil {
						v["failure"] = phase
						v["token"].(map[string]any)["refresh_token"] = "ghr_spent"
						return
					}
					v["lease"] = map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
				})
				asked := make(chan error)
				go func() {
					_, err := m.Token(t.Context(), octocat)
					asked <- err
				}()
				time.Sleep(5 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				go func() {
					if err := <-asked; !errors.Is(err, oauth.ErrTryLater) {
						t.Errorf("Token = %v, want ErrTryLater", err)
					}
				}()
				if err := m.Close(ctx); err != nil || time.Since(start) > 3*time.Second {
					t.Errorf("Close = %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// The store is back before Close; Close has 2 s.
func TestCloseStoresAtOnceWhenTheStoreIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		for range 20 {
			w := newWorld(t, gitHubApp)
			m := w.manager(t)
			w.signIn(t, m, "octocat")
			time.Sleep(tokenLife)
			w.store.set(nil, failAfter(1))
			herd(t, 1, m)
			time.Sleep(time.Minute)
			w.store.set(nil, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if err := m.Close(ctx); err != nil {
				lost++
			}
			cancel()
		}
		if lost > 0 {
			t.Errorf("%d of 20 pairs lost though the store was up for the whole of Close", lost)
		}
	})
}

// GitHub's clock (Date) 9 hours behind ours.
func TestWrongClockRefreshesOnceAndNotAgainAndAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		w.gh.Inject(githubtest.Fault{
			Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/access_token") },
			Delay: 100 * time.Millisecond, Header: http.Header{"Date": {time.Now().Add(-9 * time.Hour).UTC().Format(http.TimeFormat)}},
		})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := m.Token(ctx, octocat)
		if n := w.gh.TokenRequests("refresh_token"); n > 2 {
			t.Errorf("one Token call: %d refreshes at GitHub; err = %v; generation %v", n, err, w.stored(t, "583231")["generation"])
		}
	})
}

// Signed out while a pair is pending, then reads fail.
func TestSignOutIsFinalForAPairThatWaitsToBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.store.set(nil, failAfter(1))
		herd(t, 1, m)
		time.Sleep(30 * time.Second) // backoff between tries is now 2.5 to 5 s
		w.store.set(nil, nil)
		if err := m.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Lookup(t.Context(), s); !errors.Is(err, grant.ErrSignedOut) {
			t.Fatalf("before: %v", err)
		}
		w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
		u, _, err := m.Lookup(t.Context(), s)
		if err == nil {
			t.Errorf("signed in again as %s after a final sign-out", u.Login)
		}
		if tok, err := m.Token(t.Context(), octocat); err == nil {
			t.Errorf("token served after sign-out: %v", tok.Expiry)
		}
	})
}

// A sign-in's write has taken effect, and its answer is slow. Meanwhile the new token is refreshed, and the store takes no
// write: the pair that waits is the new sign-in's own.
func TestSignInDoesNotGiveUpAPairOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life = 10 * time.Second
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, TokenLife: life})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		var writes atomic.Int64
		w.store.set(nil, func(put func() error) error {
			switch writes.Add(1) {
			case 1: // The sign-in.
				err := put()
				time.Sleep(2 * life)
				return err
			case 2: // The claim.
				return put()
			}
			return errOut
		})
		go func() { w.signIn(t, m, "octocat") }()
		time.Sleep(life + time.Second)
		herd(t, 1, m)
		time.Sleep(life)
		w.store.set(nil, nil)
		time.Sleep(life)
		herd(t, 1, m)
	})
}

// One of two browsers signs out on ANOTHER replica while this one has a pending pair and loses the store.
func TestSignOutOnAnotherReplicaIsNotUndoneByAPairThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		fa, fb := &faultyStore{Store: w.store.Store}, &faultyStore{Store: w.store.Store}
		mk := func(s store.Store) *grant.Manager {
			m, err := grant.New(w.oauth(t), s, grant.WithTransport(w.gh.Transport()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				c, f := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
				defer f()
				_ = m.Close(c)
			})
			return m
		}
		a, b := mk(fa), mk(fb)
		s := w.signIn(t, a, "octocat")
		time.Sleep(tokenLife)
		fa.set(nil, failAfter(1))
		herd(t, 1, a)
		fa.set(func() error { return errOut }, func(func() error) error { return errOut })
		if err := b.SignOutEverywhere(t.Context(), octocat); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, _, err := a.Lookup(t.Context(), s); err == nil {
			t.Error("an hour after sign-out everywhere, replica a still says signed in")
		}
	})
}

// 401 storm with a token that can't be refreshed.
func TestStormOf401sAsksGitHubOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: http.StatusUnauthorized, Body: `{"message":"Bad credentials"}`, Delay: time.Second})
		w.gh.ResetCalls()
		var wg sync.WaitGroup
		c := m.HTTPClient(octocat)
		for range 200 {
			wg.Go(func() {
				r, err := c.Get("https://api.github.com/user")
				if err == nil {
					r.Body.Close()
				}
			})
		}
		wg.Wait()
		checks := 0
		for _, c := range w.gh.Calls() {
			if strings.HasPrefix(c.Path, "/applications/") {
				checks++
			}
		}
		if checks > 5 {
			t.Errorf("200 requests at once with 401: %d token checks", checks)
		}
	})
}

// A caller's cancellation during confirmDead.
func TestCallerWhoHangsUpDoesNotWaitForTheTokenCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: http.StatusUnauthorized, Body: `{}`})
		w.gh.Inject(githubtest.Fault{Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/applications/") }, Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.github.com/user", nil)
		start := time.Now()
		r, err := m.HTTPClient(octocat).Do(req)
		if err == nil {
			r.Body.Close()
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the caller gave up after 100ms, and got its answer after %v", d)
		}
	})
}

// SignIn after Close leaves a live token nobody knows.
func TestSignInAfterCloseLeavesNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		code, v := w.authorize(t, "octocat")
		_ = m.Close(t.Context())
		_, _, err := m.SignIn(t.Context(), code, v, grant.Login{Lifetime: time.Hour})
		synctest.Wait()
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("SignIn = %v, and %d live tokens that nobody knows", err, n)
		}
	})
}

// Sign-in whose put's answer got lost while another sign-in came in between.
func TestLostStoreAnswerWithAnotherSignInBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m, m2 := w.manager(t), w.manager(t)
		c1, v1 := w.authorize(t, "octocat")
		c2, v2 := w.authorize(t, "octocat")
		w.store.set(nil, func(put func() error) error {
			err := put()
			w.store.set(nil, nil)
			if _, _, e := m2.SignIn(t.Context(), c2, v2, grant.Login{Lifetime: time.Hour}); e != nil {
				t.Error(e)
			}
			return errors.Join(err, errOut)
		})
		if _, _, err := m.SignIn(t.Context(), c1, v1, grant.Login{Lifetime: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d live tokens, want 1", n)
		}
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("after two good sign-ins the user's client gets %d", got)
		}
	})
}

// A record written by a replica whose clock is an hour ahead, then revoked.
func TestTokenIssuedByAClockThatIsAheadIsRefreshed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		w.change(t, "583231", func(v map[string]any) {
			v["token"].(map[string]any)["issued"] = time.Now().Add(time.Hour).UTC()
		})
		time.Sleep(10 * time.Minute)
		w.gh.ExpireTokens(w.app.ClientID, octocat) // access token dead, refresh token good
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("GET /user = %d with a good refresh token; issued seems to lie in the future", got)
		}
	})
}

// The lease of a replica that died was written again and again, so that the wait for it took nearly all the time that a
// refresh has. GitHub, which is slow, was cut off in its answer.
func TestAnswerOfGitHubIsNotCutOffAfterALongWaitForTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		slow := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := w.gh.Transport().RoundTrip(r)
			select {
			case <-time.After(5 * time.Second):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return resp, err
		})}
		app, err := oauth.New(oauth.Config{
			ClientID: w.app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(w.app.Secrets[0])}, RedirectURL: callback,
		}, oauth.WithHTTPClient(slow))
		if err != nil {
			t.Fatal(err)
		}
		m := w.managerOf(t, app)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		lease := func(writeID string) {
			w.change(t, "583231", func(v map[string]any) {
				v["write_id"], v["lease"] = writeID, map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
			})
		}
		lease("1")
		go func() {
			for _, writeID := range []string{"2", "3"} {
				time.Sleep(28 * time.Second)
				lease(writeID)
			}
		}()
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token = %v", err)
		}
		if g := w.stored(t, "583231")["generation"]; g != 1.0 {
			t.Errorf("generation = %v, want 1", g)
		}
	})
}

// Conflict storm: sign-out under a context without an end.
func TestConflictStormEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		w.store.set(nil, func(func() error) error { return store.ErrConflict })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		err := m.SignOut(ctx, s)
		if d := time.Since(start); d > time.Minute {
			gets, _ := w.store.counts()
			t.Errorf("SignOut gave up after %v and %d reads: %v", d, gets, err)
		}
	})
}

// Sign-out with an access token that ran out: is the refresh token left alive at GitHub?
func TestSignOutKillsTheRefreshTokenOfAnExpiredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife + time.Hour)
		if err := m.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens still work at GitHub after the last sign-out (the refresh token)", n)
		}
	})
}

// The same through a redirect from the API.
func TestLookalikeHostOfARedirectGetsNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	w.signIn(t, m, "octocat")
	var got string
	m2 := w.manager(t, grant.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/next" {
			got = r.URL.Host + " " + r.Header.Get("Authorization")
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		}
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://apİ.github.com/next"}}, Body: http.NoBody, Request: r}, nil
	})))
	resp, err := m2.HTTPClient(octocat).Get("https://api.github.com/user")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if strings.Contains(got, "Bearer") {
		t.Errorf("redirect carried the token to %.40q", got)
	}
}

// The store fails at the very read that a 401 asks for.
func TestStoreHiccupAfterA401IsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Hour)
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Delay: time.Second})
		go func() {
			time.Sleep(900 * time.Millisecond) // The request is still under way.
			w.gh.ExpireTokens(w.app.ClientID, octocat)
			w.store.set(func() error { w.store.set(nil, nil); return errOut }, nil)
		}()
		_, err := m.HTTPClient(octocat).Get("https://api.github.com/user") //nolint:bodyclose // There is no answer.
		if !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("a dead token and one failed read = %v, want ErrTryLater", err)
		}
	})
}

// Second sign-in: its Put takes effect, the answer and the re-read are lost.
func TestSignInThatWasStoredThoughItFailedIsNotRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		code, v := w.authorize(t, "octocat")
		w.store.set(nil, func(put func() error) error {
			err := put()
			w.store.set(func() error { w.store.set(nil, nil); return errOut }, nil)
			return errors.Join(err, errOut)
		})
		_, _, err := m.SignIn(t.Context(), code, v, grant.Login{Lifetime: time.Hour})
		if err == nil {
			t.Fatal("SignIn = nil, although it could not know")
		}
		time.Sleep(5 * time.Minute)
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("after a second sign-in that failed the first browser gets %d", got)
		}
		if _, needsLogin, err := m.Lookup(t.Context(), s); err != nil || needsLogin != "" {
			t.Errorf("the first browser = %q, %v", needsLogin, err)
		}
	})
}
