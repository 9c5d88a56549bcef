package grant_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/store/memory"
)

func isRevocation(r *http.Request) bool {
	return r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/applications/")
}

// A token that ran out is refreshed so that it can be revoked. The first try to revoke what that brought failed, and the
// next one took the spent refresh token for a sign that all was done.
func TestRevocationThatFailsHalfWayGoesOnWithThePairItGot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife + time.Hour)
		w.gh.Inject(githubtest.Fault{Match: isRevocation, Times: 1, Status: http.StatusBadGateway})
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive at GitHub that nobody knows", n)
		}
	})
}

// A GitHub that answers a second sign-in with the token of the first has given it for both.
func TestSignInThatGetsTheSameTokenAgainDoesNotRevokeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		token, err := m.Token(t.Context(), octocat)
		if err != nil {
			t.Fatal(err)
		}
		w.gh.Inject(githubtest.Fault{
			Match: githubtest.MatchGrantType("authorization_code"), Status: http.StatusOK,
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			Body:   "access_token=" + token.AccessToken.Reveal() + "&scope=user%3Aemail&token_type=bearer",
		})
		w.signIn(t, m, "octocat")
		time.Sleep(time.Minute)
		herd(t, 3, m)
	})
}

// Fifty users sign out while GitHub limits the app's token requests, each of which would make ten more.
func TestSignOutsDoNotHammerGitHubThatRefusesTheApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 50
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		var sessions []grant.Session
		for id := int64(1); id <= users; id++ {
			login := fmt.Sprintf("user-%d", id)
			w.gh.AddUser(githubtest.User{ID: id, Login: login})
			sessions = append(sessions, w.signIn(t, m, login))
		}
		time.Sleep(tokenLife)
		remove := w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}})
		for _, s := range sessions {
			if err := m.SignOut(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // Each revocation is on its way before the next.
		}
		time.Sleep(30 * time.Second)
		if n := w.gh.TokenRequests("refresh_token"); n > 3 {
			t.Errorf("%d token requests for %d sign-outs within a rate limit", n, users)
		}
		remove()
		time.Sleep(time.Minute)
		alive := 0
		for id := int64(1); id <= users; id++ {
			alive += w.gh.LiveTokens(w.app.ClientID, id)
		}
		if alive != 0 {
			t.Errorf("%d tokens are alive at GitHub after the limit was over", alive)
		}
	})
}

// A revocation that GitHub would not take in time went on for ever, and each of its tries told the brake of an outage.
func TestRevocationEndsWithItsTimeAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		remove := w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: http.StatusTooManyRequests})
		if err := m.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		remove()
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		before := w.gh.TokenRequests("refresh_token")
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token long after it = %v", err)
		}
		if n := w.gh.TokenRequests("refresh_token") - before; n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
}

// deployment is a token of the user's from another deployment of the app, which has a store of its own.
func (w *world) deployment(t *testing.T) *grant.Manager {
	t.Helper()
	m := w.managerOn(t, memory.New())
	w.signIn(t, m, "octocat")
	return m
}

func TestLastSignOutTakesTheWholeAuthorizationBackIfTheAppSaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts  []grant.Option
		wait  time.Duration // Before the sign-out.
		end   func(ctx context.Context, m *grant.Manager, s grant.Session) error
		alive int
	}{
		"by default the token alone": {nil, 0, signOut, 1},
		"the whole":                  {[]grant.Option{grant.WithRevokeAuthorization()}, 0, signOut, 0},
		"with a token that ran out":  {[]grant.Option{grant.WithRevokeAuthorization()}, tokenLife + time.Hour, signOut, 0},
		"everywhere": {[]grant.Option{grant.WithRevokeAuthorization()}, 0, func(ctx context.Context, m *grant.Manager, s grant.Session) error {
			return m.SignOutEverywhere(ctx, s.UserID)
		}, 0},
		"tokens are kept": {[]grant.Option{grant.WithRevokeAuthorization(), grant.WithKeepTokens()}, 0, signOut, 2},
		"tokens are kept, and the user leaves": {[]grant.Option{grant.WithRevokeAuthorization(), grant.WithKeepTokens()}, 0, func(ctx context.Context, m *grant.Manager, s grant.Session) error {
			return m.Forget(ctx, s.UserID)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t, c.opts...)
				first := w.signIn(t, m, "octocat")
				second := w.signIn(t, m, "octocat")
				time.Sleep(c.wait)
				w.deployment(t)
				if err := m.SignOut(t.Context(), first); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if c.wait == 0 {
					if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 2 {
						t.Errorf("%d tokens are alive after the first of two sign-outs, want 2", n)
					}
				}
				if err := c.end(t.Context(), m, second); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != c.alive {
					t.Errorf("%d tokens of the user's are alive, want %d", n, c.alive)
				}
			})
		})
	}
}

func signOut(ctx context.Context, m *grant.Manager, s grant.Session) error { return m.SignOut(ctx, s) }

func TestAuthorizationIsTakenBackWhenGitHubIsThereAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithRevokeAuthorization())
		s := w.signIn(t, m, "octocat")
		w.deployment(t)
		remove := w.gh.Inject(githubtest.Fault{Match: isRevocation, Status: http.StatusServiceUnavailable})
		began := time.Now()
		if err := m.SignOut(t.Context(), s); err != nil || time.Since(began) != 0 {
			t.Errorf("SignOut = %v after %v, want nil at once", err, time.Since(began))
		}
		time.Sleep(5 * time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 2 {
			t.Fatalf("%d tokens are alive while GitHub refuses", n)
		}
		remove()
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive", n)
		}
	})
}

// GitHub was away at the sign-out, and the user is back before the authorization could be deleted, which would end their new
// token, too.
func TestUserWhoIsBackBeforeTheirAuthorizationIsTakenBackKeepsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithRevokeAuthorization())
		s := w.signIn(t, m, "octocat")
		remove := w.gh.Inject(githubtest.Fault{Match: isRevocation, Status: http.StatusServiceUnavailable})
		if err := m.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.signIn(t, w.manager(t), "octocat") // On another replica.
		remove()
		time.Sleep(time.Minute)
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("the user's new sign-in gets %d", got)
		}
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens are alive, want the new one alone", n)
		}
	})
}

// GitHub had answered a refresh, and its pair was not stored yet, when the user signed out on another replica: that pair is the
// one live token that can name the authorization.
func TestPairThatCameDuringTheLastSignOutTakesTheAuthorizationAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithRevokeAuthorization())
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife)
		w.deployment(t)
		other := w.managerOn(t, w.store.Store, grant.WithRevokeAuthorization())
		w.store.set(nil, func(put func() error) error {
			if w.gh.TokenRequests("refresh_token") > 0 {
				time.Sleep(3 * time.Second)
			}
			return put()
		})
		go func() { _, _ = m.Token(t.Context(), octocat) }()
		time.Sleep(time.Second)
		if err := other.SignOut(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive", n)
		}
	})
}

// The store was away at the sign-out, which may or may not have counted.
func TestAuthorizationIsTakenBackAlsoAfterASignOutInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithRevokeAuthorization())
		s := w.signIn(t, m, "octocat")
		w.deployment(t)
		w.store.set(nil, func(put func() error) error {
			w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
			_ = put()
			return errOut
		})
		if err := m.SignOut(t.Context(), s); err == nil {
			t.Fatal("SignOut = nil")
		}
		time.Sleep(10 * time.Minute)
		w.store.set(nil, nil)
		time.Sleep(5 * time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive", n)
		}
	})
}
