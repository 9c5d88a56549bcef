package grant_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
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
