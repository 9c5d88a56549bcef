package githubtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestAnswerLostAfterTheWorkWasDone(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat")
	gh.Inject(githubtest.Fault{Match: githubtest.MatchGrantType("refresh_token"), Times: 1, LoseAnswer: true})
	if _, err := refresh(t, gh, tok.RefreshToken); err == nil {
		t.Fatal("the answer came through")
	}
	// The pair was rotated all the same, and nobody knows the new one.
	if got := status(t, gh, tok.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the old access token answers %d", got)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("second try: %v", err)
	}
	if n := gh.TokenRequests("refresh_token"); n != 2 {
		t.Errorf("%d refreshes in the log, want 2", n)
	}
}

func TestCannedAnswersDoNoWorkAndAreUsedUp(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat")
	gh.Inject(githubtest.Fault{
		Match: githubtest.MatchPath("/login/oauth/access_token"), Times: 2,
		Status: http.StatusTooManyRequests, Header: http.Header{"retry-after": {"7"}}, Body: "slow down",
	})
	for range 2 {
		res := post(t, gh, "application/x-www-form-urlencoded", "", "grant_type=refresh_token&refresh_token="+tok.RefreshToken)
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "7" || res.Body != "slow down" {
			t.Errorf("%s %v %q", res.Status, res.Header, res.Body)
		}
	}
	if _, err := refresh(t, gh, tok.RefreshToken); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestFaultMatchesBothURLShapesUntilRemoved(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat")
	remove := gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: http.StatusBadGateway})
	for range 3 {
		if got := status(t, gh, tok.AccessToken); got != http.StatusBadGateway {
			t.Errorf("status %d", got)
		}
	}
	if res, _ := get(t, http.DefaultClient, gh.URL()+"/user"); res.StatusCode != http.StatusBadGateway {
		t.Errorf("at the root: %s", res.Status)
	}
	if res, _ := get(t, http.DefaultClient, gh.URL()+"/meta"); res.StatusCode != http.StatusOK {
		t.Errorf("another path: %s", res.Status)
	}
	remove()
	remove()
	if got := status(t, gh, tok.AccessToken); got != http.StatusOK {
		t.Errorf("after removal: %d", got)
	}
}

func TestFaultAddsHeadersToTheNormalAnswer(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	gh.Inject(githubtest.Fault{Header: http.Header{"X-Github-Sso": {"partial-results; organizations=1"}}})
	u, res, err := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken).Users.Get(t.Context(), "")
	if err != nil || u.GetLogin() != "octocat" || res.Header.Get("X-GitHub-SSO") == "" {
		t.Errorf("%v, %v", res, err)
	}
}

func TestDelayAndHangOnFakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gh := githubtest.New(oauthApp())
		web := &http.Client{Transport: gh.Transport()}
		tok := gh.IssueToken(clientID, "octocat")
		remove := gh.Inject(githubtest.Fault{Delay: 3 * time.Second})
		start := time.Now()
		wantUserStatus(t, web, gh, tok.AccessToken, http.StatusOK)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("delayed by %v", got)
		}
		remove()

		gh.Inject(githubtest.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, gh.APIURL()+"meta", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.Do(req); !errors.Is(err, context.DeadlineExceeded) { //nolint:bodyclose // there is none
			t.Errorf("hang ended with %v", err)
		}
		if got := time.Since(start); got != time.Minute+3*time.Second {
			t.Errorf("hung for %v", got)
		}

		hung := make(chan error, 1)
		go func() {
			_, err := web.Do(req.Clone(t.Context())) //nolint:bodyclose // there is none
			hung <- err
		}()
		synctest.Wait()
		gh.Close()
		if err := <-hung; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("closing the server ended the hang with %v", err)
		}
		if _, err := web.Do(req.Clone(t.Context())); err == nil { //nolint:bodyclose // there is none
			t.Error("a closed server answers")
		}
	})
}

func TestCloseEndsHangsOverSocketsAndMayComeTwice(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	arrived := make(chan struct{}, 5)
	gh.Inject(githubtest.Fault{Hang: true, Match: func(*http.Request) bool {
		arrived <- struct{}{}
		return true
	}})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gh.URL()+"/meta", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
				t.Errorf("hung request was answered: %s", res.Status)
			}
		})
	}
	for range 5 {
		<-arrived
	}
	gh.Close()
	gh.Close()
	all.Wait()
}

func TestServerErrorsReachGoGitHub(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	gh.Inject(githubtest.Fault{
		Status: http.StatusForbidden, Header: http.Header{"Retry-After": {"60"}, "Content-Type": {"application/json"}},
		Body: `{"message":"You have exceeded a secondary rate limit","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`,
	})
	_, _, err := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken).Users.Get(t.Context(), "")
	var abuse *github.AbuseRateLimitError
	if !errors.As(err, &abuse) || abuse.GetRetryAfter() != time.Minute {
		t.Errorf("go-github sees %v", err)
	}
}
