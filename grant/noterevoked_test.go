package grant_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

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
