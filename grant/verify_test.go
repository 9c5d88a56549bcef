package grant_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

func (v *watcher) seen() []grant.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.events)
}

// isCheck matches GitHub's token check.
func isCheck(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/applications/")
}

// All kinds of token that a user can have when they withdraw them, and the ways in which that can be found out.
func TestWithdrawnGrantIsForgottenWhateverItsToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		app  githubtest.App
		wait time.Duration // From sign-in to withdrawal.
		opts []grant.Option
	}{
		"expiring":                     {gitHubApp, time.Hour, nil},
		"just issued":                  {gitHubApp, 0, nil},
		"ran out":                      {gitHubApp, tokenLife + time.Hour, nil},
		"refresh token ran out":        {githubtest.App{Kind: githubtest.GitHubApp, RefreshLife: 24 * time.Hour}, 36 * time.Hour, nil},
		"never expires":                {githubtest.App{NoExpiry: true}, time.Hour, nil},
		"never expires, just issued":   {githubtest.App{NoExpiry: true}, 0, nil},
		"app that keeps tokens":        {gitHubApp, time.Hour, []grant.Option{grant.WithKeepTokens()}},
		"remembered by other replicas": {gitHubApp, time.Hour, []grant.Option{grant.WithStaleness(10 * time.Second)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.app)
				var v watcher
				here, there := w.managerOn(t, slowStore{w.store.Store}, append(v.options(), tt.opts...)...), w.managerOn(t, slowStore{w.store.Store}, tt.opts...)
				laptop := w.signIn(t, here, "octocat")
				time.Sleep(tt.wait)
				phone := laptop
				if tt.wait < 24*time.Hour {
					phone = w.signIn(t, there, "octocat")
					time.Sleep(tt.wait)
				}
				_, _, _ = there.Lookup(t.Context(), phone) // It is remembered there now.
				w.gh.RevokeUser(w.app.ClientID, octocat)
				if err := noteRevoked(t, here); err != nil {
					t.Fatalf("NoteRevoked = %v", err)
				}
				wantSignedIn(t, here, laptop, false)
				wantSignedIn(t, here, phone, false)
				time.Sleep(10 * time.Second)
				wantSignedIn(t, there, phone, false)
				if stored := w.stored(t, "583231"); stored["forgotten"] == nil || stored["token"] != nil || stored["user"].(map[string]any)["login"] != "" {
					t.Errorf("something is left in the store: %v", stored)
				}
				if _, err := here.Token(t.Context(), octocat); !errors.Is(err, oauth.ErrSignInAgain) {
					t.Errorf("Token = %v", err)
				}
				forgotten := 0
				for _, e := range v.seen() {
					if e.Kind == grant.EventForgotten && e.Reason == grant.ReasonRevoked && e.UserID == octocat {
						forgotten++
					}
				}
				if forgotten != 1 {
					t.Errorf("%d events tell of it, want 1: %v", forgotten, v.seen())
				}
			})
		})
	}
}

// slowStore hides what a store in this process says of itself, so that managers remember.
type slowStore struct{ store.Store }

// Whoever withdraws a grant can sign in again at once. The word of it, late or repeated, must not undo that.
func TestWordOfWithdrawalDoesNotSignOutWhoHasSignedInSince(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		app  githubtest.App
		wait time.Duration // From the new sign-in to the word.
	}{
		"at once":            {gitHubApp, 0},
		"next hour":          {gitHubApp, time.Hour},
		"after it ran out":   {gitHubApp, tokenLife + time.Hour},
		"never expires":      {githubtest.App{NoExpiry: true}, time.Hour},
		"long since expired": {gitHubApp, 28 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tt.app)
				m := w.manager(t)
				old := w.signIn(t, m, "octocat")
				w.gh.RevokeUser(w.app.ClientID, octocat)
				s := w.signIn(t, m, "octocat")
				time.Sleep(tt.wait)
				for range 3 {
					if err := noteRevoked(t, m); err != nil {
						t.Fatalf("NoteRevoked = %v", err)
					}
					time.Sleep(time.Minute)
				}
				wantSignedIn(t, m, s, true)
				wantSignedIn(t, m, old, true)
				herd(t, 1, m)
			})
		})
	}
}

// The access token dies with each refresh: while one is under way on another replica, what is stored looks withdrawn.
func TestWordOfWithdrawalDuringARefreshWaitsForItsPair(t *testing.T) {
	t.Parallel()
	for name, revoked := range map[string]bool{"repeated word": false, "withdrawn at the same time": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				here, there := w.manager(t), w.manager(t)
				s := w.signIn(t, here, "octocat")
				time.Sleep(tokenLife - time.Minute)
				// GitHub has rotated, and the replica takes two seconds to store the pair.
				puts := 0
				w.store.set(nil, func(put func() error) error {
					if puts++; puts == 2 {
						time.Sleep(2 * time.Second)
					}
					return put()
				})
				refreshed := make(chan struct{})
				go func() {
					defer close(refreshed)
					_, _ = there.Token(t.Context(), octocat)
				}()
				time.Sleep(time.Second)
				if revoked {
					w.gh.RevokeUser(w.app.ClientID, octocat)
				}
				if err := noteRevoked(t, here); err != nil {
					t.Fatalf("NoteRevoked = %v", err)
				}
				<-refreshed
				time.Sleep(time.Minute)
				wantSignedIn(t, here, s, !revoked)
				if !revoked {
					herd(t, 4, here, there)
				}
			})
		})
	}
}

// The user signs in again between the question and the writing of its answer.
func TestSignInWhileTheWithdrawalIsLookedIntoStands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		here, there := w.manager(t), w.manager(t)
		w.signIn(t, here, "octocat")
		time.Sleep(time.Hour)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		var s grant.Session
		once := false
		w.store.set(nil, func(put func() error) error {
			if !once {
				once = true
				s = w.signIn(t, there, "octocat")
			}
			return put()
		})
		start := time.Now()
		if err := noteRevoked(t, here); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the new token was asked about only after %v", took)
		}
		if !once {
			t.Fatal("nothing was written")
		}
		wantSignedIn(t, here, s, true)
		herd(t, 2, here, there)
	})
}

// A token that was just issued may not be known to all of GitHub.
func TestTokenOfAMomentAgoGetsASecondChance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		w.gh.Inject(githubtest.Fault{Match: isCheck, Times: 1, Status: 404, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"message":"Not Found"}`})
		if err := noteRevoked(t, m); err != nil {
			t.Fatal(err)
		}
		wantSignedIn(t, m, s, true)
	})
}

// The newest pair waits in memory for a store that can't be written, beside a token that looks withdrawn.
func TestWordWhileAPairWaitsToBeStoredIsAboutThatPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Minute)
		puts := 0
		w.store.set(nil, func(put func() error) error {
			if puts++; puts == 1 { // The claim.
				return put()
			}
			return errors.New("sealed")
		})
		if _, err := m.Token(t.Context(), octocat); err != nil {
			t.Fatal(err)
		}
		if err := noteRevoked(t, m); err != nil {
			t.Errorf("repeated word: %v", err)
		}
		w.gh.RevokeUser(w.app.ClientID, octocat)
		if err := noteRevoked(t, m); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("word that can't be carried out: %v", err)
		}
		w.store.set(nil, nil)
		wantSignedIn(t, m, s, true)
		time.Sleep(5 * time.Minute)
		wantSignedIn(t, m, s, false)
	})
}
