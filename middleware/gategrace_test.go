package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// Whoever has left can use up their own rate limit, so that nobody can ask: hence the bound.
func TestOutageIsNoNoForAnHourAndThenTryAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]githubtest.Fault{
		"outage":     {Status: http.StatusBadGateway},
		"hanging":    {Hang: true},
		"rate limit": {Status: http.StatusForbidden, Body: `{"message":"API rate limit exceeded for user","documentation_url":"https://docs.github.com/rest"}`, Header: http.Header{"X-Ratelimit-Remaining": {"0"}}},
		"secondary":  {Status: http.StatusForbidden, Body: `{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/rest"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := gated(t, middleware.AllowOrgs("acme"))
				b := s.browser(t)
				b.signIn()
				fault.Match = githubtest.MatchPath("/user/memberships/orgs/acme")
				mend := s.gh.Inject(fault)
				for range 5 {
					time.Sleep(11 * time.Minute)
					b.wantIn("within the grace")
				}
				time.Sleep(6 * time.Minute)
				p := b.do(http.MethodGet, "/me")
				wantProblem(t, p, http.StatusServiceUnavailable, "Please try again in a moment")
				if p.Header.Get("Retry-After") == "" {
					t.Error("nothing says when to come back")
				}
				mend()
				time.Sleep(time.Minute)
				b.wantIn("once it is over")
			})
		})
	}
}

func TestProcessThatNeverHadAnAnswerCountsFromItsFirstAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		opts := []middleware.Option{middleware.WithCookieSessions(cookieKey("k")), middleware.WithGate(middleware.AllowOrgs("acme"))}
		s := gated(t, middleware.AllowUsers(583231), withStore(st), withOptions(opts...))
		b := s.browser(t)
		b.signIn()
		time.Sleep(24 * time.Hour)
		s.handler = s.replica(t, st, opts...) // The next version of the site.
		s.outage()
		b.wantIn("at first")
		time.Sleep(59 * time.Minute)
		b.wantIn("within an hour")
		time.Sleep(2 * time.Minute)
		b.wantStatus("after an hour", http.StatusServiceUnavailable, "try-again")
	})
}

func TestWithoutGraceAnOutageIsTryAgainAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"), withOptions(middleware.WithGateGrace(0)))
		b := s.browser(t)
		b.signIn()
		s.outage()
		time.Sleep(9 * time.Minute)
		b.wantIn("before it is due")
		time.Sleep(time.Minute)
		b.wantStatus("when it is due", http.StatusServiceUnavailable, "try-again")
	})
}

// After a no an outage gives nothing back.
func TestOutageAfterANoIsStillTheNo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		s.gh.SetOrg(githubtest.Org{Login: "acme", SAML: true})
		time.Sleep(11 * time.Minute)
		b.wantStatus("not signed on", http.StatusForbidden, "sso-required")
		mend := s.refuse("required; url=https://github.com/orgs/acme/sso?authorization_request=AB")
		time.Sleep(time.Minute)
		v := problemJSON(t, b.do(http.MethodGet, "/me", accept("application/json")))
		if v["mend_url"] != "https://github.com/orgs/acme/sso?authorization_request=AB" {
			t.Errorf("the page to authorize the token at is %v", v["mend_url"])
		}
		mend()
		mend = s.outage()
		time.Sleep(time.Minute)
		b.wantStatus("in the outage", http.StatusForbidden, "sso-required")
		mend()
		s.gh.SignOn("octocat", "acme")
		time.Sleep(time.Minute)
		b.wantIn("signed on") // With the login of before.
	})
}

// Who takes the app's access away at GitHub has no grace by it.
func TestWhoRevokesTheAppHasNoGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		s.leave()
		s.gh.RevokeUser(s.app.ClientID, 583231)
		time.Sleep(11 * time.Minute)
		b.wantStatus("with a dead token", http.StatusUnauthorized, "sign-in-required")
		b.wantStatus("and again", http.StatusUnauthorized, "sign-in-required")
		s.gh.AddUser(member(inOrg("acme")))
		b.signIn()
		b.wantIn("signed in anew")
	})
}

// While GitHub hangs, the requests of one user must not queue up for it.
func TestInAnOutageOnlyTheOneThatAsksWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		cookies := b.cookies("")
		s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Hang: true})
		time.Sleep(11 * time.Minute)
		b.wantIn("at first")
		time.Sleep(31 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { s.raw(t.Context(), http.MethodGet, origin+"/", cookies) })
		synctest.Wait() // It asks.
		start := time.Now()
		if p := b.get("/"); p.body != "hello octocat" || time.Since(start) != 0 {
			t.Errorf("another request waited %v for %q", time.Since(start), p.body)
		}
		wg.Wait()
	})
}

func TestVisitorWhoHangsUpIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		s.leave()
		time.Sleep(11 * time.Minute)
		s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Delay: 2 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.raw(ctx, http.MethodGet, origin+"/", b.cookies(""))
		b.wantSignedOut()
		if strings.Contains(s.log.String(), "could not be asked") {
			t.Error("it passed for an outage")
		}
	})
}
