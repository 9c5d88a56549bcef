package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// wantIn checks that Require lets the browser pass, or how it does not.
func (b *browser) wantIn(when string) { b.t.Helper(); b.wantStatus(when, http.StatusOK, "") }

func (b *browser) wantStatus(when string, status int, kind string) {
	b.t.Helper()
	p := b.do(http.MethodGet, "/me", accept("application/json"))
	if p.StatusCode != status {
		b.t.Errorf("%s: GET /me = %d %s, want %d", when, p.StatusCode, p.body, status)
		return
	}
	if kind == "" {
		b.wantSignedIn("octocat")
		return
	}
	if v := problemJSON(b.t, p); v["kind"] != kind {
		b.t.Errorf("%s: kind = %v, want %s", when, v["kind"], kind)
	}
	b.wantSignedOut() // Nor do handlers behind Middleware alone take them for signed in.
}

// asks counts what GitHub was asked about acme.
func (s *site) asks() (n int) {
	for _, c := range s.gh.Calls() {
		if strings.HasSuffix(c.Path, "/user/memberships/orgs/acme") {
			n++
		}
	}
	return n
}

func (s *site) leave() { s.gh.AddUser(member(nil)) }

// outage has GitHub not say who belongs to acme.
func (s *site) outage() (mend func()) {
	return s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Status: http.StatusBadGateway})
}

func TestWhoLeavesTheOrganizationLosesAccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		s.leave()
		time.Sleep(middleware.DefaultGateInterval - time.Second)
		b.wantIn("within the interval")
		if n := s.asks(); n != 1 {
			t.Errorf("asked %d times within the interval, want once, at sign-in", n)
		}
		time.Sleep(time.Second)
		wantProblem(t, b.get("/me"), http.StatusForbidden, "This site is not open to your account")
		b.wantSignedOut()
		synctest.Wait()
		if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens live on", n)
		}
		// The login is over, so that no other answer brings them back: a navigation signs in anew, and is refused.
		b.wantStatus("after the no", http.StatusUnauthorized, "sign-in-required")
		wantProblem(t, b.get("/me"), http.StatusForbidden, "This site is not open to your account")
		s.gh.AddUser(member(inOrg("acme")))
		b.signIn()
	})
}

func TestGatesAreAskedAgainAfterEachRefreshOnEachReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &brokenStore{Store: memory.New()}
		opts := []middleware.Option{middleware.WithCookieSessions(cookieKey("k")), middleware.WithGateInterval(30 * 24 * time.Hour), middleware.WithGate(middleware.AllowOrgs("acme"))}
		s := newSite(t, withStore(st), withOptions(opts...), withApp(githubtest.App{Kind: githubtest.GitHubApp, ReadsMembers: true}))
		s.gh.AddUser(member(inOrg("acme")))
		here, there := s.handler, s.replica(t, st, opts...)
		b := s.browser(t)
		b.signIn()
		s.handler = there
		b.wantIn("on the other replica")
		time.Sleep(7 * time.Hour)
		for name, h := range map[string]http.Handler{"here": here, "there": there} {
			s.handler = h
			b.wantIn(name + ", before the refresh")
		}
		if n := s.asks(); n != 2 {
			t.Errorf("asked %d times, want once a replica", n)
		}
		s.handler = there
		time.Sleep(time.Hour)
		s.gh.SetOrg(githubtest.Org{Login: "acme", SAML: true})
		if p := b.get("/me"); p.StatusCode != http.StatusOK || s.gh.TokenRequests("refresh_token") != 1 {
			t.Errorf("the request that refreshed = %d %s", p.StatusCode, p.body)
		}
		time.Sleep(20 * time.Second) // The other replica learns of the new token.
		s.handler = here
		b.wantStatus("here, after the refresh there", http.StatusForbidden, "sso-required")
		s.handler = there
		b.wantStatus("there, after the refresh", http.StatusForbidden, "sso-required")
	})
}

func TestANoOnOneReplicaEndsTheSignInOnAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &brokenStore{Store: memory.New()}
		opts := []middleware.Option{middleware.WithCookieSessions(cookieKey("k")), middleware.WithGate(middleware.AllowOrgs("acme"))}
		s := gated(t, middleware.AllowUsers(583231), withStore(st), withOptions(opts...))
		here, there := s.handler, s.replica(t, st, opts...)
		b := s.browser(t)
		b.signIn()
		time.Sleep(5 * time.Minute)
		s.handler = there
		b.wantIn("there")
		s.leave()
		time.Sleep(5 * time.Minute)
		s.handler = here
		b.wantStatus("here", http.StatusForbidden, "not-allowed")
		time.Sleep(11 * time.Second) // The other replica learns of it long before its own ask is due.
		s.handler = there
		b.wantStatus("there", http.StatusUnauthorized, "sign-in-required")
	})
}

func TestANoAtSignInReachesTheUsersOtherBrowserAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		first := s.browser(t)
		first.signIn()
		s.leave()
		wantProblem(t, s.browser(t).get("/auth/github/login"), http.StatusForbidden, "This site is not open to your account")
		first.wantStatus("the browser that was in", http.StatusForbidden, "not-allowed")
	})
}

func TestHundredRequestsAtOnceAskOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.AllowOrgs("acme"))
		b := s.browser(t)
		b.signIn()
		cookies := b.cookies("")
		time.Sleep(11 * time.Minute)
		s.gh.ResetCalls()
		s.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user/memberships/orgs/acme"), Times: 1, Delay: time.Second})
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if s.raw(t.Context(), http.MethodGet, origin+"/", cookies).Body.String() == "hello octocat" {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if n := s.asks(); n != 1 || in.Load() != 100 {
			t.Errorf("asked %d times, and %d of 100 were let in", n, in.Load())
		}
	})
}

// A gate of the app's own may panic. The next request must not wait for ever.
func TestGateThatPanicsIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		panics := false
		s := gated(t, middleware.GateFunc(func(context.Context, middleware.Identity) error {
			if panics {
				panic("a bug")
			}
			return nil
		}))
		b := s.browser(t)
		b.signIn()
		panics = true
		time.Sleep(11 * time.Minute)
		func() {
			defer func() { _ = recover() }()
			s.raw(t.Context(), http.MethodGet, origin+"/", b.cookies(""))
			t.Error("the panic was swallowed")
		}()
		panics = false
		time.Sleep(time.Minute)
		b.wantIn("after it")
	})
}

// A gate's own error may be anything; what it says goes to the log alone.
func TestErrorOfAnOwnGateIsNotShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.GateFunc(func(context.Context, middleware.Identity) error { return errors.New("ldap.internal is down") }))
		p := s.browser(t).get("/auth/github/login")
		wantProblem(t, p, http.StatusServiceUnavailable, "Please try again in a moment")
		if strings.Contains(p.body, "ldap") || !strings.Contains(s.log.String(), "ldap.internal is down") {
			t.Errorf("the page says %q, the log %q", p.body, s.log.String())
		}
	})
}

func TestOwnRefusalSaysItsReasonAndNoScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gated(t, middleware.GateFunc(func(context.Context, middleware.Identity) error {
			return &middleware.Refusal{Reason: "Ask <Ann> first.", URL: "javascript:alert(1)"}
		}))
		p := s.browser(t).get("/auth/github/login")
		wantProblem(t, p, http.StatusForbidden, "Ask &lt;Ann&gt; first.")
		if strings.Contains(p.body, "javascript:") {
			t.Error("the page runs a script")
		}
	})
}

// Where nobody has a session, nothing is asked.
func TestStrangersCostNoAsk(t *testing.T) {
	t.Parallel()
	s := gated(t, middleware.AllowOrgs("acme"))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, origin+"/", nil))
	if w.Body.String() != "hello stranger" || len(s.gh.Calls()) != 0 {
		t.Errorf("%q after %d calls", w.Body, len(s.gh.Calls()))
	}
}
