package grant_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

func TestLastSignOutForgetsAndRevokes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive at GitHub, want 0", n)
		}
		e, err := w.store.Get(t.Context(), "github.com/583231")
		if err != nil {
			t.Fatalf("no tombstone was left: %v", err)
		}
		for _, secret := range append(w.gh.Secrets(), "octocat") {
			if strings.Contains(string(e.Value), secret) {
				t.Error("the tombstone still holds something of the user's")
			}
		}
		if _, err := m.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrSignInAgain) {
			t.Errorf("Token after the last sign-out = %v, want ErrSignInAgain", err)
		}
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Errorf("a second sign-out = %v, want nil", err)
		}
	})
}

func TestSignOutDoesNotFailBecauseGitHubIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		session := w.signIn(t, m, "octocat")
		w.gh.Inject(githubtest.Fault{Hang: true})
		start := time.Now()
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Errorf("SignOut = %v", err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("SignOut waited %v for GitHub", waited)
		}
	})
}

func TestKeepTokensKeepsTheTokenForWorkInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t, grant.WithKeepTokens())
		session := w.signIn(t, m, "octocat")
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("Lookup = %v, want ErrSignedOut", err)
		}
		time.Sleep(40 * 24 * time.Hour) // The last login has long ended.
		c, err := m.Client(t.Context(), octocat)
		if err != nil {
			t.Fatalf("Client = %v", err)
		}
		if got := getUser(t, c); got != http.StatusOK {
			t.Errorf("GET /user in the background = %d", got)
		}
	})
}

func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	first, second := w.signIn(t, m, "octocat"), w.signIn(t, m, "octocat")
	if err := m.SignOutEverywhere(t.Context(), octocat); err != nil {
		t.Fatal(err)
	}
	for _, s := range []grant.Session{first, second} {
		if _, _, err := m.Lookup(t.Context(), s); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("Lookup = %v, want ErrSignedOut", err)
		}
	}
}

func TestForgetLeavesNothingEvenWhereTokensAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t, grant.WithKeepTokens())
		w.signIn(t, m, "octocat")
		if err := m.SignOutEverywhere(t.Context(), octocat); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Errorf("Token after SignOutEverywhere = %v, want that it is kept", err)
		}
		if err := m.Forget(t.Context(), octocat); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive at GitHub", n)
		}
	})
}

func TestAnotherAppSignsNobodyOutHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	w.app = w.gh.AddApp(githubtest.App{Callbacks: []string{callback}})
	other := w.manager(t)
	if list := logins(t, other, session); len(list) != 0 {
		t.Errorf("another app lists %+v", list)
	}
	if err := errors.Join(other.SignOut(t.Context(), session), other.SignOutLogin(t.Context(), octocat, logins(t, m, session)[0].ID), other.SignOutEverywhere(t.Context(), octocat), other.Forget(t.Context(), octocat)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Lookup(t.Context(), session); err != nil {
		t.Errorf("Lookup = %v, want signed in", err)
	}
}

func TestSignOutOfALoginThatIsNotThereIsNoEvent(t *testing.T) {
	t.Parallel()
	w, v := newWorld(t, githubtest.App{}), new(watcher)
	m := w.manager(t, v.options()...)
	s := w.signIn(t, m, "octocat")
	s.LoginID = "another"
	if err := m.SignOut(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := v.kinds(); len(got) != 1 {
		t.Errorf("events %v, want the sign-in's alone", got)
	}
}

// The last sign-out's write counted, its answer was lost, and the store stayed away for longer than the visitor waited.
// To everybody after that the grant is forgotten already, so nobody else would revoke the token.
func TestSignOutWhoseAnswerWasLostLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	for name, counted := range map[string]bool{"the write counted": true, "the write did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				session := w.signIn(t, m, "octocat")
				w.store.set(nil, func(put func() error) error {
					w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
					if counted {
						_ = put()
					}
					return errOut
				})
				if err := m.SignOut(t.Context(), session); !errors.Is(err, oauth.ErrTryLater) {
					t.Fatalf("SignOut = %v, want ErrTryLater", err)
				}
				time.Sleep(10 * time.Minute)
				w.store.set(nil, nil)
				time.Sleep(5 * time.Minute)
				want := 1
				if counted {
					want = 0
				}
				if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != want {
					t.Errorf("%d tokens are alive, want %d", n, want)
				}
				if err := m.SignOut(t.Context(), session); err != nil {
					t.Errorf("the next SignOut = %v", err)
				}
				time.Sleep(time.Minute)
				if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
					t.Errorf("%d tokens are alive after the next sign-out", n)
				}
			})
		})
	}
}
