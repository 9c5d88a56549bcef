package grant_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

func TestStoreAwayServesWhatIsKnownForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
		time.Sleep(59 * time.Minute)
		if _, _, err := m.Lookup(t.Context(), session); err != nil {
			t.Errorf("Lookup = %v", err)
		}
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("GET /user = %d", got)
		}
		time.Sleep(time.Minute)
		if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Lookup after an hour = %v, want ErrTryLater", err)
		}
	})
}

// A store that hangs costs one request in a while its timeout, and not each request two of them.
func TestStoreThatHangsIsNotWaitedForByEveryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		w.store.set(func() error { time.Sleep(3 * time.Second); return errOut }, nil)
		time.Sleep(10 * time.Second)
		before, _ := w.store.counts()
		start := time.Now()
		for range 100 {
			if _, _, err := m.Lookup(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			herd(t, 1, m)
		}
		after, _ := w.store.counts()
		if waited := time.Since(start); after-before != 1 || waited != 3*time.Second {
			t.Errorf("%d reads and %v of waiting for 100 requests at once, want 1 and 3s", after-before, waited)
		}
	})
}

// The app gives its requests less time than the store takes to say nothing.
func TestDeadlineThatEndsBeforeTheStoreAnswersIsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(time.Second))
		session := w.signIn(t, a, "octocat")
		w.store.set(func() error { time.Sleep(3 * time.Second); return errOut }, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := b.Lookup(ctx, session); !errors.Is(err, oauth.ErrTryLater) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lookup = %v, want ErrTryLater with the deadline", err)
		}
		if _, err := b.Token(ctx, octocat); !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("Token = %v, want ErrTryLater", err)
		}
		time.Sleep(5 * time.Second)
	})
}

// Who aborts requests on purpose must not keep a session alive that was signed out elsewhere.
func TestCallersWhoHangUpDoNotKeepASignedOutUserSignedIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		a, b := w.manager(t), w.manager(t, grant.WithStaleness(time.Second))
		session := w.signIn(t, a, "octocat")
		if _, _, err := b.Lookup(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		if err := a.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := b.Lookup(ended, session); err == nil {
			t.Error("a request that was aborted is signed in")
		}
		if _, _, err := b.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("the request after it = %v, want ErrSignedOut", err)
		}
	})
}

func TestSignOutIsFinalAlsoWhereTheStoreGoesAwayAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
		time.Sleep(time.Minute)
		if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("Lookup = %v, want ErrSignedOut", err)
		}
	})
}

// While one request finds out that the store still hangs, the user's others go on with what is known.
func TestStoreThatGoesOnHangingIsWaitedForByOneRequestAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithStaleness(10*time.Second))
		session := w.signIn(t, m, "octocat")
		w.store.set(func() error { time.Sleep(3 * time.Second); return errOut }, nil)
		time.Sleep(10 * time.Second)
		if _, _, err := m.Lookup(t.Context(), session); err != nil { // It meets the outage.
			t.Fatal(err)
		}
		var slow atomic.Int64
		var wg sync.WaitGroup
		for range 200 { // 20 seconds of requests.
			time.Sleep(100 * time.Millisecond)
			wg.Go(func() {
				start := time.Now()
				if _, _, err := m.Lookup(t.Context(), session); err != nil {
					t.Error(err)
				}
				if time.Since(start) > 0 {
					slow.Add(1)
				}
			})
		}
		wg.Wait()
		if n := slow.Load(); n > 5 {
			t.Errorf("%d of 200 requests waited for the store, want one in five seconds", n)
		}
	})
}
