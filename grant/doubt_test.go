package grant_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// A store's client may send a Put twice, so that the one that counted is called a conflict. Before the sign-in looks again the user
// is signed out everywhere, which revokes the token: to write it once more would bring a dead token back.
func TestSignInThatWasSignedOutBeforeItKnewIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m, other := w.manager(t), w.manager(t)
		w.signIn(t, m, "octocat")
		code, verifier := w.authorize(t, "octocat")
		w.store.set(nil, func(put func() error) error {
			err := put()
			w.store.set(nil, nil)
			if e := other.SignOutEverywhere(t.Context(), octocat); e != nil {
				t.Error(e)
			}
			return errors.Join(err, store.ErrConflict)
		})
		s, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour})
		if !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("SignIn = %v, %v; want to be tried again", s, err)
		}
		time.Sleep(time.Minute)
		if list, err := other.Logins(t.Context(), grant.Session{UserID: octocat}); err != nil || len(list) != 0 {
			t.Errorf("%d logins after a sign-out everywhere, %v", len(list), err)
		}
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens live", n)
		}
	})
}

// lagging answers one read with what stood there before.
type lagging struct {
	*faultyStore
	old *store.Entry // For the next read; nil for what is there.
}

func (s *lagging) Get(ctx context.Context, key string) (store.Entry, error) {
	if e := s.old; e != nil {
		s.old = nil
		return *e, nil
	}
	return s.faultyStore.Get(ctx, key)
}

// The same, and the read after it lags behind: what the sign-in replaced is not what that read shows.
func TestTokenThatASignInReplacedIsRevokedThoughAReadLagged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		st := &lagging{faultyStore: w.store}
		m := w.managerOn(t, st)
		w.signIn(t, m, "octocat")
		first, err := w.store.Get(t.Context(), "github.com/583231")
		if err != nil {
			t.Fatal(err)
		}
		w.signIn(t, m, "octocat")
		code, verifier := w.authorize(t, "octocat")
		w.store.set(nil, func(put func() error) error {
			err := put()
			w.store.set(nil, nil)
			st.old = &first
			return errors.Join(err, store.ErrConflict)
		})
		if _, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens live, want that of the last sign-in alone", n)
		}
	})
}
