package middleware_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

func TestSignOutEndsTheSessionForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.browser(t)
		b.signIn()
		kept := b.sessionCookies()[0]
		if p := b.signOut(); p.at() != origin+"/" || p.body != "hello stranger" {
			t.Errorf("after sign-out: %s %q", p.at(), p.body)
		}
		b.setCookie(kept.Name, kept.Value)
		b.wantSignedOut()
		synctest.Wait()
		if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
			t.Errorf("%d tokens are alive at GitHub", n)
		}
	})
}

func TestSignOutOfOneBrowserLeavesTheOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := s.browser(t), s.browser(t)
	first.signIn()
	second.signIn()
	first.signOut()
	first.wantSignedOut()
	second.wantSignedIn("octocat")
	if p := second.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("the other browser's /me = %d %q", p.StatusCode, p.body)
	}
}

func TestNoOtherSiteCanSignAnybodyOut(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.signIn()
	for name, change := range map[string]func(*http.Request){
		"by fetch metadata": header("Sec-Fetch-Site", "cross-site"),
		"from a sub-domain": header("Sec-Fetch-Site", "same-site"),
		"by Origin":         header("Origin", "https://evil.example"),
		"null origin":       header("Origin", "null"),
	} {
		p := b.do(http.MethodPost, "/auth/github/logout", change)
		wantProblem(t, p, http.StatusForbidden, "Nothing was changed")
		b.wantSignedIn("octocat")
		_ = name
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
		if p := b.do(method, "/auth/github/logout"); p.StatusCode != http.StatusMethodNotAllowed || p.Header.Get("Allow") != "POST" {
			t.Errorf("%s logout = %d, Allow %q", method, p.StatusCode, p.Header.Get("Allow"))
		}
		b.wantSignedIn("octocat")
	}
	if p := b.do(http.MethodPost, "/auth/github/logout", header("Sec-Fetch-Site", "same-origin"), header("Origin", origin)); p.StatusCode != http.StatusOK {
		t.Errorf("the site's own form = %d", p.StatusCode)
	}
	b.wantSignedOut()
}

func TestScriptsSignOutWithoutAPage(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.signIn()
	if p := b.do(http.MethodPost, "/auth/github/logout", accept("*/*")); p.StatusCode != http.StatusNoContent {
		t.Errorf("a script's sign-out = %d", p.StatusCode)
	}
	b.wantSignedOut()
}

func TestSignOutWithTheStoreAwayEndsThisBrowserAndSaysSo(t *testing.T) {
	t.Parallel()
	st := &brokenStore{Store: memory.New()}
	b := newSite(t, withStore(st)).browser(t)
	b.signIn()
	st.away.Store(true)
	wantProblem(t, b.signOut(), http.StatusServiceUnavailable, "Please try again")
	st.away.Store(false)
	b.wantSignedOut()
}

// scs writes a session back that a concurrent request destroyed, with IdleTimeout even if that
// request changed nothing. The grant, not the session, says who is signed in.
func TestSessionThatComesBackFromTheDeadIsNotSignedIn(t *testing.T) {
	t.Parallel()
	sm := scs.New()
	sm.Cookie.Secure = true
	sm.IdleTimeout = time.Hour
	inside, goOn := make(chan bool), make(chan bool)
	s := newSite(t, withOptions(middleware.WithSessionManager(sm)), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", h)
		mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { inside <- true; <-goOn })
		return sm.LoadAndSave(a.Middleware(mux))
	}))
	b := s.browser(t)
	b.signIn()
	kept := b.cookies("session")[0]
	done := make(chan bool)
	go func() {
		b.get("/slow")
		done <- true
	}()
	<-inside
	other := s.browser(t)
	other.setCookie(kept.Name, kept.Value)
	other.signOut()
	goOn <- true
	<-done
	b.setCookie(kept.Name, kept.Value)
	b.wantSignedOut()
}
