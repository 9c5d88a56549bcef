package grant_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
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

func checks(w *world) int {
	n := 0
	for _, c := range w.gh.Calls() {
		if c.Method == http.MethodPost && strings.HasPrefix(c.Path, "/applications/") {
			n++
		}
	}
	return n
}

// noteRevoked passes on GitHub's word as a webhook does, with the same patience.
func noteRevoked(t *testing.T, m *grant.Manager) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	return m.NoteRevoked(ctx, octocat)
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

// GitHub's word may be faster than its token check.
func TestGitHubIsAskedOnceMoreAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		if err := noteRevoked(t, m); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		w.gh.RevokeUser(w.app.ClientID, octocat) // As the check sees it.
		time.Sleep(time.Minute)
		wantSignedIn(t, m, s, false)
	})
}

// Word that comes while GitHub's first answer stands gets its second look, too.
func TestEachWordHasGitHubAskedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		s := w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		_ = noteRevoked(t, m)
		time.Sleep(5 * time.Second)
		_ = noteRevoked(t, m)
		time.Sleep(15 * time.Second) // The second word's first look was a moment ago.
		w.gh.RevokeUser(w.app.ClientID, octocat)
		time.Sleep(time.Minute)
		wantSignedIn(t, m, s, false)
	})
}

// All who bring word wait for a look that began after it.
func TestWordsAtOnceAreAllAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		w.gh.Inject(githubtest.Fault{Match: isCheck, Times: 1, Delay: time.Second})
		var wg sync.WaitGroup
		for i := range 8 { // Half of them while GitHub is being asked.
			wg.Go(func() {
				time.Sleep(time.Duration(i%2) * 500 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := m.NoteRevoked(ctx, octocat); err != nil {
					t.Errorf("NoteRevoked = %v", err)
				}
			})
		}
		wg.Wait()
	})
}

// Words of very many users are not taken without end.
func TestWordIsRefusedWhenTooMuchOfItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		back := make(chan struct{})
		w.store.set(func() error { <-back; return nil }, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for id := int64(1); id <= 5000; id++ {
			if err := m.NoteRevoked(ctx, id); !errors.Is(err, context.Canceled) {
				t.Fatalf("word of user %d: %v", id, err)
			}
		}
		if err := m.NoteRevoked(ctx, 5001); errors.Is(err, context.Canceled) || !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("one too many: %v", err)
		}
		if err := m.NoteRevoked(ctx, 5000); !errors.Is(err, context.Canceled) {
			t.Errorf("one that waits already: %v", err)
		}
		close(back)
		time.Sleep(time.Minute)
		if err := m.NoteRevoked(t.Context(), 5001); err != nil {
			t.Errorf("when all have been looked into: %v", err)
		}
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

// Somebody who got hold of one delivery repeats it a thousand times a minute.
func TestRepeatedWordDoesNotUseUpTheAppsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		before := checks(w)
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_ = m.NoteRevoked(ctx, octocat)
			cancel()
			time.Sleep(60 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := checks(w) - before; n > 8 {
			t.Errorf("%d calls to GitHub", n)
		}
	})
}

// What is away when the word comes is asked when it is back; nothing is forgotten on no evidence.
func TestWordIsLookedIntoWhenGitHubAndTheStoreAreBack(t *testing.T) {
	t.Parallel()
	away := errors.New("connection refused")
	for name, fault := range map[string]func(w *world) (mend func()){
		"check answers 403":     func(w *world) func() { return w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 403}) },
		"check answers 429":     func(w *world) func() { return w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 429}) },
		"check answers 500":     func(w *world) func() { return w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 500}) },
		"check answers nothing": func(w *world) func() { return w.gh.Inject(githubtest.Fault{Match: isCheck, Hang: true}) },
		"a proxy answers 404": func(w *world) func() {
			return w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 404, Header: http.Header{"Content-Type": {"text/html"}}})
		},
		"wrong client secret": func(w *world) func() {
			return w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 401, Header: http.Header{"Content-Type": {"application/json"}}})
		},
		"refresh answers 500": func(w *world) func() { return w.gh.Inject(githubtest.Fault{Match: isRefresh, Status: 500}) },
		"store can't be read": func(w *world) func() {
			w.store.set(func() error { return away }, nil)
			return func() { w.store.set(nil, nil) }
		},
		"store can't be written": func(w *world) func() {
			w.store.set(nil, func(func() error) error { return away })
			return func() { w.store.set(nil, nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				s := w.signIn(t, m, "octocat")
				time.Sleep(time.Hour)
				w.gh.RevokeUser(w.app.ClientID, octocat)
				mend := fault(w)
				start := time.Now()
				if err := noteRevoked(t, m); !errors.Is(err, oauth.ErrTryLater) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("NoteRevoked = %v", err)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("the caller waited %v", took)
				}
				time.Sleep(20 * time.Minute)
				calls := len(w.gh.Calls())
				if calls > 60 {
					t.Errorf("%d calls to a GitHub that is away", calls)
				}
				mend()
				wantSignedIn(t, m, s, true)
				time.Sleep(20 * time.Minute)
				wantSignedIn(t, m, s, false)
			})
		})
	}
}

// A replica that is stopped looks once more, and no longer than that takes.
func TestCloseLooksIntoTheLastWord(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"GitHub is back": true, "GitHub is away": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, githubtest.App{NoExpiry: true})
				var v watcher
				m, other := w.manager(t, v.options()...), w.manager(t)
				s := w.signIn(t, m, "octocat")
				time.Sleep(time.Hour)
				w.gh.RevokeUser(w.app.ClientID, octocat)
				mend := w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 503})
				_ = noteRevoked(t, m)
				time.Sleep(time.Hour)
				if back {
					mend()
				}
				start := time.Now()
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("Close took %v", took)
				}
				wantSignedIn(t, other, s, !back)
				if warned := strings.Contains(v.log.String(), "could not be looked into"); warned == back {
					t.Errorf("the log warns of it: %t", warned)
				}
				if err := noteRevoked(t, m); !errors.Is(err, grant.ErrClosed) {
					t.Errorf("NoteRevoked after Close = %v", err)
				}
			})
		})
	}
}

// Where nobody goes on asking, nobody waits for it, however long they would.
func TestWordThatIsGivenUpIsAnErrorForWhoeverWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(*testing.T, *world, *grant.Manager)
		want error
	}{
		"a grant of a newer version": {
			func(t *testing.T, w *world, _ *grant.Manager) {
				t.Helper()
				w.change(t, "583231", func(v map[string]any) { v["format"] = 99 })
			},
			&grant.FormatError{Format: 99},
		},
		"a server that stops": {
			func(t *testing.T, w *world, m *grant.Manager) {
				t.Helper()
				w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 503})
				go func() {
					time.Sleep(time.Minute)
					_ = m.Close(t.Context())
				}()
			},
			oauth.ErrTryLater,
		},
		"an outage that does not end": {
			func(_ *testing.T, w *world, _ *grant.Manager) {
				w.gh.Inject(githubtest.Fault{Match: isCheck, Status: 503})
			},
			oauth.ErrTryLater,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				m := w.manager(t)
				w.signIn(t, m, "octocat")
				time.Sleep(time.Hour)
				tt.end(t, w, m)
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				err := m.NoteRevoked(ctx, octocat)
				var format *grant.FormatError
				if wantFormat := errors.As(tt.want, &format); ctx.Err() != nil || wantFormat != errors.As(err, &format) || !wantFormat && !errors.Is(err, tt.want) {
					t.Errorf("NoteRevoked = %v", err)
				}
			})
		})
	}
}

func TestWordOfAUserThatNobodyKnowsIsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		if err := noteRevoked(t, m); err != nil {
			t.Errorf("NoteRevoked = %v", err)
		}
		time.Sleep(time.Minute)
		if _, puts := w.store.counts(); puts != 0 || len(w.gh.Calls()) != 0 {
			t.Errorf("%d writes, calls %v", puts, w.gh.Calls())
		}
	})
}
