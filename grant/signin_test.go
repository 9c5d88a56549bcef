package grant_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

func TestSignInAnswersWhoItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	user, needsLogin, err := m.Lookup(t.Context(), session)
	if err != nil || needsLogin != "" {
		t.Fatalf("Lookup = %q, %v", needsLogin, err)
	}
	if user.ID != octocat || user.Login != "octocat" || user.Name != "The Octocat" {
		t.Errorf("Lookup's user = %+v", user)
	}
	if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
		t.Errorf("GET /user as the user = %d", got)
	}
}

func TestSignInCostsTwoCallsOneReadOneWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	code, verifier := w.authorize(t, "octocat")
	w.gh.ResetCalls()
	if _, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	gets, puts := w.store.counts()
	if calls := len(w.gh.Calls()); calls != 2 || gets != 1 || puts != 1 {
		t.Errorf("a sign-in cost %d calls to GitHub, %d reads and %d writes; want 2, 1, 1", calls, gets, puts)
	}
}

func TestLoginIDsAreLongAndDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	known := make(map[string]bool)
	for range 20 {
		id := w.signIn(t, m, "octocat").LoginID
		if len(id) < 26 || known[id] { // 26 letters of base32 are 130 bits.
			t.Errorf("the login id %q is short, or not new", id)
		}
		known[id] = true
	}
}

func TestTwoBrowsersShareOneGrantAndLeaveOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	first, second := w.signIn(t, m, "octocat"), w.signIn(t, m, "octocat")
	for name, s := range map[string]grant.Session{"first": first, "second": second} {
		if _, _, err := m.Lookup(t.Context(), s); err != nil {
			t.Errorf("after both signed in, the %s browser = %v", name, err)
		}
	}
	if err := m.SignOut(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Lookup(t.Context(), first); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("the browser that signed out = %v, want ErrSignedOut", err)
	}
	if _, _, err := m.Lookup(t.Context(), second); err != nil {
		t.Errorf("the other browser = %v, want signed in", err)
	}
	if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
		t.Errorf("GET /user of the other browser = %d", got)
	}
}

func TestManySignInsAtOnceAllCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		const browsers = 8
		type begun struct {
			code     string
			verifier oauth.Secret
		}
		var codes [browsers]begun
		for i := range codes {
			codes[i].code, codes[i].verifier = w.authorize(t, "octocat")
		}
		sessions := make(chan grant.Session, browsers)
		for _, c := range codes {
			go func() {
				s, _, err := m.SignIn(t.Context(), c.code, c.verifier, grant.Login{Lifetime: time.Hour})
				if err != nil {
					t.Errorf("SignIn = %v", err)
				}
				if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
					t.Errorf("the first call after a sign-in beside others = %d", got)
				}
				sessions <- s
			}()
		}
		for range browsers {
			s := <-sessions
			if _, _, err := m.Lookup(t.Context(), s); err != nil {
				t.Errorf("one of %d browsers = %v, want signed in", browsers, err)
			}
		}
		herd(t, 50, m) // Requests under way meet no token that was revoked under them.
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens are alive at GitHub, want the newest alone", n)
		}
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("GET /user = %d", got)
		}
	})
}

func TestLoginWithoutALifetimeIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	code, verifier := w.authorize(t, "octocat")
	if _, _, err := w.manager(t).SignIn(t.Context(), code, verifier, grant.Login{}); err == nil {
		t.Error("SignIn took a login that has ended before it begins")
	}
}

func TestLoginEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t, grant.WithKeepTokens())
		session := w.signIn(t, m, "octocat")
		time.Sleep(30*24*time.Hour - time.Second)
		if _, _, err := m.Lookup(t.Context(), session); err != nil {
			t.Errorf("a second before its end the login = %v", err)
		}
		time.Sleep(time.Second)
		if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("at its end the login = %v, want ErrSignedOut", err)
		}
	})
}

func TestLoginsThatEndedAreDroppedAtTheNextSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t, grant.WithKeepTokens())
		w.signIn(t, m, "octocat")
		time.Sleep(31 * 24 * time.Hour)
		w.signIn(t, m, "octocat")
		if logins := w.stored(t, "583231")["logins"].(map[string]any); len(logins) != 1 {
			t.Errorf("%d logins are kept, want the one that lasts", len(logins))
		}
	})
}

func TestASignInLoopDoesNotGrowTheGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		first := w.signIn(t, m, "octocat")
		for range 64 {
			time.Sleep(time.Minute)
			w.signIn(t, m, "octocat")
		}
		if logins := w.stored(t, "583231")["logins"].(map[string]any); len(logins) != 64 {
			t.Errorf("%d logins are kept, want 64", len(logins))
		}
		if _, _, err := m.Lookup(t.Context(), first); !errors.Is(err, grant.ErrSignedOut) {
			t.Errorf("the oldest login = %v, want that it went", err)
		}
	})
}

// A browser that is signed out for being idle leaves its login behind and signs in anew. When there were 64 of them the first
// browser of all was signed out, in the middle of its work.
func TestNewSignInsDoNotSignOutTheBrowserThatIsInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		inUse, left := w.signIn(t, m, "octocat"), w.signIn(t, m, "octocat")
		for range 63 {
			time.Sleep(61 * time.Minute)
			wantSignedIn(t, m, inUse, true)
			time.Sleep(time.Minute) // Its use is noted behind the request.
			w.signIn(t, m, "octocat")
		}
		wantSignedIn(t, m, inUse, true)
		wantSignedIn(t, m, left, false)
	})
}

// GitHub logins can be renamed, and taken by others: go-pkgz/auth had accounts taken over so.
func TestARenamedUserKeepsTheirGrantAndTheNewOwnerOfTheNameHasNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	w.gh.RenameUser(octocat, "octocat-emeritus")
	w.gh.AddUser(githubtest.User{ID: 99, Login: "octocat"})
	other := w.signIn(t, m, "octocat")
	if other.UserID != 99 {
		t.Fatalf("the new owner of the name signed in as %d", other.UserID)
	}
	user, _, err := m.Lookup(t.Context(), session)
	if err != nil || user.ID != octocat {
		t.Errorf("the renamed user = %d, %v; want %d still signed in", user.ID, err, octocat)
	}
}

func TestSignInThatCantBeStoredLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		code, verifier := w.authorize(t, "octocat")
		w.store.set(nil, func(func() error) error { return errors.New("out of order") })
		_, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour})
		if storeErr, ok := errors.AsType[*grant.StoreError](err); !ok || storeErr.Op != "put" || !errors.Is(err, oauth.ErrTryLater) {
			t.Errorf("SignIn = %v, want a StoreError of a put", err)
		}
		w.store.set(nil, nil) // Only when it can be written is it sure that the failed write can't count any more.
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive at GitHub, want 0", n)
		}
	})
}

func TestSignInDuringALongOutageLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{"nothing answers": false, "reads do": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, githubtest.App{})
				m := w.manager(t)
				code, verifier := w.authorize(t, "octocat")
				var get func() error
				if !reads {
					get = func() error { return errOut }
				}
				w.store.set(get, func(func() error) error {
					w.store.set(func() error { return errOut }, func(func() error) error { return errOut })
					return errOut
				})
				if _, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour}); !errors.Is(err, oauth.ErrTryLater) {
					t.Fatalf("SignIn = %v, want ErrTryLater", err)
				}
				time.Sleep(time.Hour)
				w.store.set(nil, nil)
				time.Sleep(time.Minute)
				if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
					t.Errorf("%d tokens are alive at GitHub, want 0", n)
				}
			})
		})
	}
}

// The write of a second sign-in was given up, and its token about to be revoked, when it took effect after all: the user's
// first browser would have lived on a dead token.
func TestSignInWhoseWriteIsLateDoesNotPutADeadTokenInPlaceOfAGoodOne(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"of a user who is signed in": true, "of a new user": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitHubApp)
				late := &lateStore{Store: w.store.Store, after: 10 * time.Second}
				m, slow := w.manager(t), w.managerOn(t, late)
				var session grant.Session
				if first {
					session = w.signIn(t, m, "octocat")
				}
				code, verifier := w.authorize(t, "octocat")
				if _, _, err := slow.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour}); !errors.Is(err, oauth.ErrTryLater) {
					t.Fatalf("SignIn = %v, want ErrTryLater", err)
				}
				time.Sleep(5 * time.Minute)
				if !first {
					if lineage, ok := w.stored(t, "583231")["lineage"]; ok {
						t.Errorf("a token that was revoked is stored, as %v", lineage)
					}
					return
				}
				if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
					t.Errorf("the first browser gets %d", got)
				}
				if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
					t.Errorf("Lookup = %q, %v", needsLogin, err)
				}
			})
		})
	}
}

// lateStore takes its first three writes, gives none an answer in time, and carries the first out later.
type lateStore struct {
	store.Store
	after time.Duration
	puts  atomic.Int64
}

func (s *lateStore) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	switch s.puts.Add(1) {
	case 1:
		time.AfterFunc(s.after, func() { _, _ = s.Store.Put(context.Background(), key, e) })
	case 2, 3:
	default:
		return s.Store.Put(ctx, key, e)
	}
	return "", errOut
}

func TestSignInWhoseStoreAnswerGotLostCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		m := w.manager(t)
		old := w.signIn(t, m, "octocat")
		lost := false
		w.store.set(nil, func(put func() error) error {
			err := put()
			if !lost {
				lost = true
				return errors.New("the answer got lost")
			}
			return err
		})
		session := w.signIn(t, m, "octocat")
		for _, s := range []grant.Session{old, session} {
			if _, _, err := m.Lookup(t.Context(), s); err != nil {
				t.Errorf("Lookup = %v", err)
			}
		}
		if _, puts := w.store.counts(); puts != 2 {
			t.Errorf("%d writes took effect, want 2: one's own write is no conflict", puts)
		}
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
			t.Errorf("%d tokens are alive at GitHub, want 1", n)
		}
	})
}

func TestUnknownFormatIsAnErrorAndNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	w.change(t, "583231", func(v map[string]any) { v["format"] = 7 })
	_, before := w.store.counts()

	code, verifier := w.authorize(t, "octocat")
	_, _, signInErr := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour})
	_, tokenErr := m.Token(t.Context(), octocat)
	_, _, lookupErr := m.Lookup(t.Context(), session)
	for name, err := range map[string]error{
		"SignIn": signInErr, "Token": tokenErr, "Lookup": lookupErr,
		"SignOut": m.SignOut(t.Context(), session), "SignOutEverywhere": m.SignOutEverywhere(t.Context(), octocat),
	} {
		e, ok := errors.AsType[*grant.FormatError](err)
		if !ok || e.Format != 7 || !errors.Is(err, oauth.ErrMisconfigured) {
			t.Errorf("%s = %v, want a FormatError of 7", name, err)
		}
	}
	if _, after := w.store.counts(); after != before {
		t.Errorf("%d writes went over a grant of another format", after-before)
	}
	if v := w.stored(t, "583231"); v["format"] != 7.0 {
		t.Errorf("the format is now %v", v["format"])
	}
}

func TestAnotherAppsGrantCountsAsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	session := w.signIn(t, w.manager(t), "octocat")

	w.app = w.gh.AddApp(githubtest.App{ClientID: "Iv1.another", Callbacks: []string{callback}})
	m := w.manager(t)
	if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("Lookup of another app's session = %v, want ErrSignedOut", err)
	}
	_, err := m.Token(t.Context(), octocat)
	if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonOtherApp {
		t.Errorf("Token = %v, want ReasonOtherApp", err)
	}
	own := w.signIn(t, m, "octocat")
	if _, _, err := m.Lookup(t.Context(), own); err != nil {
		t.Errorf("after a sign-in of its own, Lookup = %v", err)
	}
	if _, _, err := m.Lookup(t.Context(), session); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("the other app's login came along: %v", err)
	}
}
