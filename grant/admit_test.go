package grant_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// Whoever is not let in leaves nothing behind, with kept tokens either, and takes nothing from their other browser.
func TestWhoIsNotAdmittedLeavesNoGrantAndNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{})
		var refuse error
		m := w.manager(t, grant.WithKeepTokens(), grant.WithAdmission(func(_ context.Context, user oauth.User, client *http.Client) error {
			if got := getUser(t, client); got != http.StatusOK || user.ID != octocat {
				t.Errorf("the admission of %d acts as the user: %d", user.ID, got)
			}
			return refuse
		}))
		signIn := func() error {
			code, verifier := w.authorize(t, "octocat")
			_, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour})
			return err
		}
		refuse = errors.New("not today")
		if err := signIn(); !errors.Is(err, refuse) {
			t.Fatalf("SignIn = %v, want the admission's error", err)
		}
		synctest.Wait()
		if _, puts := w.store.counts(); puts != 0 || w.gh.LiveTokens(w.app.ClientID, octocat) != 0 {
			t.Errorf("%d writes and %d live tokens of somebody who was not let in", puts, w.gh.LiveTokens(w.app.ClientID, octocat))
		}

		refuse = nil
		other := w.signIn(t, m, "octocat")
		before, err := m.Standing(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		refuse = errors.New("no more")
		if err := signIn(); !errors.Is(err, refuse) {
			t.Fatalf("SignIn = %v", err)
		}
		time.Sleep(time.Minute)
		after, err := m.Standing(t.Context(), other)
		if err != nil || after != before || getUser(t, m.HTTPClient(octocat)) != http.StatusOK {
			t.Errorf("the other browser's standing was %+v and is %+v, %v", before, after, err)
		}
	})
}

// GitHub may answer a sign-in with the token that the user's other browsers live on. A store that is away then ends nobody's,
// and leaves no token behind.
func TestRefusalDoesNotRevokeATokenThatIsInUse(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]error{"store answers": nil, "store is away": errors.New("connection refused")} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, same token %t", name, same), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { refuseSecondSignIn(t, away, same) })
			})
		}
	}
}

func refuseSecondSignIn(t *testing.T, away error, same bool) {
	t.Helper()
	w := newWorld(t, githubtest.App{NoExpiry: true})
	var refuse error
	m := w.manager(t, grant.WithAdmission(func(context.Context, oauth.User, *http.Client) error { return refuse }))
	w.signIn(t, m, "octocat")
	inUse, err := m.Token(t.Context(), octocat)
	if err != nil {
		t.Fatal(err)
	}
	code, verifier := w.authorize(t, "octocat")
	if same {
		w.gh.Inject(githubtest.Fault{
			Match: githubtest.MatchGrantType("authorization_code"), Times: 1, Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"access_token":"` + inUse.AccessToken.Reveal() + `","token_type":"bearer","scope":"user:email"}`,
		})
	}
	refuse = errors.New("not now")
	if away != nil {
		w.store.set(func() error { return away }, nil)
	}
	if _, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour}); !errors.Is(err, refuse) {
		t.Fatalf("SignIn = %v", err)
	}
	time.Sleep(time.Minute)
	w.store.set(nil, nil)
	time.Sleep(time.Hour)
	if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
		t.Errorf("the other browser's token answers %d", got)
	}
	if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 1 {
		t.Errorf("%d tokens live, want the one in use", n)
	}
}

func TestStandingTellsOfARefreshOnAnotherReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp})
		here, there := w.manager(t), w.manager(t)
		s := w.signIn(t, here, "octocat")
		before, err := here.Standing(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Hour)
		if got := getUser(t, there.HTTPClient(octocat)); got != http.StatusOK {
			t.Fatal(got)
		}
		refreshed, err := here.Standing(t.Context(), s)
		if err != nil || refreshed.Token == before.Token {
			t.Errorf("the token's name is %+v after a refresh, as before: %v", refreshed.Token, err)
		}
		w.signIn(t, there, "octocat")
		again, err := here.Standing(t.Context(), s)
		if err != nil || again.Token == refreshed.Token {
			t.Errorf("the token's name is %+v after a sign-in, as before: %v", again.Token, err)
		}
	})
}
