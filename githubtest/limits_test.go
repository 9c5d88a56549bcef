package githubtest_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestBadCredentialsLockTheUserOutGoodTokensToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gh := githubtest.New(oauthApp(), githubtest.WithBadCredentialsLimit(3, time.Minute))
		defer gh.Close()
		web := &http.Client{Transport: gh.Transport()}
		dead, live := gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "octocat")
		other := gh.IssueToken(clientID, "hubot")
		gh.RevokeToken(dead.AccessToken)
		for range 3 {
			wantUserStatus(t, web, gh, dead.AccessToken, http.StatusUnauthorized)
		}
		wantUserStatus(t, web, gh, live.AccessToken, http.StatusForbidden)
		wantUserStatus(t, web, gh, other.AccessToken, http.StatusOK)
		time.Sleep(time.Minute)
		wantUserStatus(t, web, gh, live.AccessToken, http.StatusOK)
		// Few enough in the period do no harm, however often.
		for range 6 {
			wantUserStatus(t, web, gh, dead.AccessToken, http.StatusUnauthorized)
			time.Sleep(30 * time.Second)
		}
		// Tokens that nobody knows count against the address.
		for range 3 {
			wantUserStatus(t, web, gh, "gho_unknown", http.StatusUnauthorized)
		}
		wantUserStatus(t, web, gh, other.AccessToken, http.StatusForbidden)
		time.Sleep(time.Minute)
		wantUserStatus(t, web, gh, other.AccessToken, http.StatusOK)
	})
}

func TestRateLimitIsPerUserAndHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gh := githubtest.New(oauthApp(), githubtest.WithRateLimit(2))
		defer gh.Close()
		web := &http.Client{Transport: gh.Transport()}
		first, second := gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "octocat")
		other := gh.IssueToken(clientID, "hubot")
		wantUserStatus(t, web, gh, first.AccessToken, http.StatusOK)
		wantUserStatus(t, web, gh, second.AccessToken, http.StatusOK)
		wantUserStatus(t, web, gh, first.AccessToken, http.StatusForbidden)
		wantUserStatus(t, web, gh, other.AccessToken, http.StatusOK)
		time.Sleep(time.Hour)
		wantUserStatus(t, web, gh, first.AccessToken, http.StatusOK)
	})
	gh := githubtest.Start(t, oauthApp(), githubtest.WithRateLimit(1))
	c := client(t, gh, gh.IssueToken(clientID, "octocat").AccessToken)
	if _, _, err := c.Users.Get(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	var limited *github.RateLimitError
	if _, _, err := c.Users.Get(t.Context(), ""); !errors.As(err, &limited) {
		t.Errorf("go-github doesn't see a rate limit in %v", err)
	}
	strangers := githubtest.Start(t)
	for range 60 {
		get(t, http.DefaultClient, strangers.URL()+"/meta")
	}
	if r, _ := get(t, http.DefaultClient, strangers.URL()+"/meta"); r.StatusCode != http.StatusForbidden || r.Header.Get("X-RateLimit-Limit") != "60" {
		t.Errorf("the 61st request without credentials: %s of %s", r.Status, r.Header.Get("X-RateLimit-Limit"))
	}
	off := githubtest.Start(t, oauthApp(), githubtest.WithRateLimit(0))
	_, res, err := client(t, off, off.IssueToken(clientID, "octocat").AccessToken).Users.Get(t.Context(), "")
	if err != nil || res.Header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("limits are off, but: %v %v", res.Header, err)
	}
}

func TestNotModifiedDoesNotCount(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat")
	etag := ""
	for i, want := range []int{http.StatusOK, http.StatusNotModified, http.StatusNotModified} {
		req := request(t, http.MethodGet, gh.APIURL()+"user", "")
		req.Header.Set("Authorization", "Bearer "+tok.AccessToken)
		req.Header.Set("If-None-Match", etag)
		r, _ := send(t, http.DefaultClient, req)
		if r.StatusCode != want || r.Header.Get("X-RateLimit-Used") != "1" {
			t.Errorf("request %d: %s, %s used", i, r.Status, r.Header.Get("X-RateLimit-Used"))
		}
		etag = r.Header.Get("ETag")
	}
}
