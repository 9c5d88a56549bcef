package grant_test

import (
	"bytes"
	"errors"
	"io"
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

// roundTripper is a func that carries requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
}

// x/oauth2's transport gives a token to whatever address a redirect names.
func TestTokenGoesToGitHubsAPIAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	var sent []string
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.URL.Scheme+"://"+r.URL.Host+" "+r.Header.Get("Authorization")[:min(6, len(r.Header.Get("Authorization")))])
		resp := answer(http.StatusOK)
		if r.URL.Host == "api.github.com" {
			resp.StatusCode = http.StatusFound
			resp.Header.Set("Location", "https://elsewhere.example/archive")
		}
		return resp, nil
	})
	m := w.manager(t, grant.WithTransport(base))
	w.signIn(t, m, "octocat")
	c := m.HTTPClient(octocat)
	for _, to := range []string{"https://api.github.com/archive", "https://uploads.github.com/x", "http://api.github.com/x", "https://api.github.com.evil.example/x", "https://github.com/x"} {
		resp, err := c.Get(to)
		if err != nil && !strings.HasPrefix(to, "http:") {
			t.Fatal(err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	for _, s := range sent {
		where, token, _ := strings.Cut(s, " ")
		api := where == "https://api.github.com" || where == "https://uploads.github.com"
		if api != (token == "Bearer") {
			t.Errorf("a request to %s was sent with authorization %q", where, token)
		}
	}
	if len(sent) < 6 {
		t.Errorf("only %d requests were sent: %v", len(sent), sent)
	}
}

func TestRefusedTokenIsRefreshedOnceAndTheRequestSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		w.gh.ExpireTokens(w.app.ClientID, octocat) // Before its time: the grant knows nothing of it.
		herd(t, 15, m)
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestBodyThatCanBeSentTwiceIsAndOneThatCantIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		var bodies []string
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
			if len(bodies)%2 == 1 {
				return answer(http.StatusUnauthorized), nil
			}
			return answer(http.StatusCreated), nil
		})
		m := w.manager(t, grant.WithTransport(base))
		w.signIn(t, m, "octocat")
		c := m.HTTPClient(octocat)

		time.Sleep(time.Hour)
		post := func(body io.Reader) int {
			resp, err := c.Post("https://api.github.com/user/repos", "application/json", body)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			return resp.StatusCode
		}
		w.gh.ExpireTokens(w.app.ClientID, octocat)
		if got := post(strings.NewReader(`{"name":"x"}`)); got != http.StatusCreated || len(bodies) != 2 || bodies[1] != `{"name":"x"}` {
			t.Errorf("a body with GetBody: %d, bodies %q", got, bodies)
		}
		bodies = nil
		time.Sleep(time.Hour)
		w.gh.ExpireTokens(w.app.ClientID, octocat)
		stream := struct{ io.Reader }{bytes.NewReader([]byte("stream"))} // Not one that http.NewRequest can rewind.
		if got := post(stream); got != http.StatusUnauthorized || len(bodies) != 1 {
			t.Errorf("a body that can't be sent twice: %d, bodies %q", got, bodies)
		}
	})
}

// GitHub answers 403 to everybody of a user after a few requests with a dead token.
func TestDeadTokenIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{NoExpiry: true})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	w.gh.RevokeUser(w.app.ClientID, octocat)
	w.gh.ResetCalls()
	c := m.HTTPClient(octocat)
	for range 20 {
		_, err := c.Get("https://api.github.com/user") //nolint:bodyclose // There is no answer.
		if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonRevoked {
			t.Fatalf("a call = %v, want ReasonRevoked", err)
		}
	}
	if n := userCalls(w.gh); n != 1 {
		t.Errorf("the dead token was sent %d times, want once", n)
	}
	if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != grant.ReasonRevoked {
		t.Errorf("Lookup = %q, %v", needsLogin, err)
	}
}

// The user signed in again while GitHub was asked about the token that a request had met a 401 with.
func TestTokenCheckThatIsLateDoesNotMarkANewSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Minute)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		w.gh.Inject(githubtest.Fault{
			Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/applications/") },
			Times: 1, Delay: 2 * time.Second,
		})
		go func() {
			time.Sleep(time.Second)
			w.signIn(t, m, "octocat")
		}()
		herd(t, 3, m)
		herd(t, 3, m)
	})
}

// A user withdrew their access, and signed in again while GitHub was still asked about the dead token. The new one met the 401
// that a token can meet in its first moments, and was marked for what GitHub said of the other.
func TestTokenCheckOfTheTokenBeforeSaysNothingOfANewSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{NoExpiry: true})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Minute)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		w.gh.Inject(githubtest.Fault{
			Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/applications/") },
			Times: 1, Delay: 2 * time.Second,
		})
		var wg sync.WaitGroup
		wg.Go(func() { herd(t, 1, m) })
		time.Sleep(time.Second)
		session := w.signIn(t, m, "octocat")
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Times: 1, Status: http.StatusUnauthorized})
		if resp, err := m.HTTPClient(octocat).Get("https://api.github.com/user"); err != nil {
			t.Errorf("GET /user with the new token = %v", err)
		} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("GET /user with the new token = %d", resp.StatusCode)
		}
		wg.Wait()
		if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
			t.Errorf("Lookup = %q, %v; want signed in with a good token", needsLogin, err)
		}
	})
}

func TestA401ThatIsNotGitHubsProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{NoExpiry: true})
	m := w.manager(t)
	session := w.signIn(t, m, "octocat")
	remove := w.gh.Inject(githubtest.Fault{
		Match:  func(r *http.Request) bool { return r.URL.Path == "/user" },
		Status: http.StatusUnauthorized, Body: "proxy: who are you?",
	})
	c := m.HTTPClient(octocat)
	if got := getUser(t, c); got != http.StatusUnauthorized {
		t.Errorf("GET /user = %d, want the proxy's 401", got)
	}
	if _, needsLogin, err := m.Lookup(t.Context(), session); err != nil || needsLogin != "" {
		t.Errorf("Lookup = %q, %v; want signed in", needsLogin, err)
	}
	remove()
	if got := getUser(t, c); got != http.StatusOK {
		t.Errorf("GET /user without the proxy = %d", got)
	}
}

// With tokens of a few seconds each one dies under requests, on this replica or another.
func TestTokensThatDieOneAfterTheOtherAreEachReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, TokenLife: 10 * time.Second})
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		for range 10 {
			time.Sleep(6 * time.Second)
			w.gh.ExpireTokens(w.app.ClientID, octocat)
			herd(t, 1, m) // More would be so many bad credentials that GitHub locks the user out.
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 10 {
			t.Errorf("%d refreshes, want 10", n)
		}
	})
}

// A store that hung made requests late, and refreshes with them: another replica's killed the token of a request's first try,
// and the next one that of its second.
func TestRequestUnderWhichTwoTokensDieIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life = 10 * time.Second
		w := newWorld(t, githubtest.App{Kind: githubtest.GitHubApp, TokenLife: life})
		other := w.manager(t)
		sent := 0
		m := w.manager(t, grant.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if sent++; sent <= 2 {
				time.Sleep(life)
				if _, err := other.Token(t.Context(), octocat); err != nil {
					t.Errorf("Token at the other replica = %v", err)
				}
			}
			return w.gh.Transport().RoundTrip(r)
		})))
		w.signIn(t, m, "octocat")
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK || sent != 3 {
			t.Errorf("GET /user = %d after %d tries, want %d after 3", got, sent, http.StatusOK)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 2 {
			t.Errorf("%d refreshes, want the other replica's 2", n)
		}
	})
}

// GitHub had refreshed the token before its time, and its answer was lost: the app must not take GitHub's 401 for a
// revocation.
func TestTokenThatALostAnswerKilledIsAnOutageAndNo401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(tokenLife - time.Minute)
		w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, LoseAnswer: true})
		for range 3 {
			_, err := m.HTTPClient(octocat).Get("https://api.github.com/user") //nolint:bodyclose // There is no answer.
			if e, ok := errors.AsType[*grant.BackoffError](err); !ok || !errors.Is(err, oauth.ErrTryLater) || e.RetryAfter <= 0 {
				t.Errorf("GET /user = %v, want a BackoffError", err)
			}
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
}

// A proxy that answers 401 to everything must not use up the app's token requests, nor its other calls.
func TestStormOf401sForATokenThatIsAliveRefreshesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Hour)
		w.gh.Inject(githubtest.Fault{
			Match:  func(r *http.Request) bool { return r.URL.Path == "/user" },
			Status: http.StatusUnauthorized,
		})
		w.gh.ResetCalls()
		c := m.HTTPClient(octocat)
		for range 3600 {
			if got := getUser(t, c); got != http.StatusUnauthorized {
				t.Errorf("GET /user = %d", got)
			}
			time.Sleep(time.Second)
		}
		if n := w.gh.TokenRequests("refresh_token"); n != 0 {
			t.Errorf("%d refreshes, want none: the token is good", n)
		}
		if n := userCalls(w.gh); n != 3600 {
			t.Errorf("%d calls, want each once", n)
		}
		checks := 0
		for _, c := range w.gh.Calls() {
			if strings.HasPrefix(c.Path, "/applications/") {
				checks++
			}
		}
		if checks == 0 || checks > 8 {
			t.Errorf("%d checks in an hour, want some and no more than 8", checks)
		}
	})
}

func TestClientSaysWhenThereIsNoGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{})
	_, err := w.manager(t).Client(t.Context(), octocat)
	if e, ok := errors.AsType[*grant.SignInError](err); !ok || e.Reason != grant.ReasonNone || !errors.Is(err, oauth.ErrSignInAgain) {
		t.Errorf("Client = %v, want ReasonNone", err)
	}
}
