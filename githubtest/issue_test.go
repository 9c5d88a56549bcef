package githubtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestRefreshIsSingleUseAndKillsTheOldAccessTokenAtOnce(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok, err := exchange(t, gh, "repo", "gist")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := refresh(t, gh, tok.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the old access token answers %d", got)
	}
	if got := status(t, gh, fresh.AccessToken); got != http.StatusOK {
		t.Errorf("the new access token answers %d", got)
	}
	if got := fresh.Extra("scope"); got != "repo,gist" {
		t.Errorf("scope after the refresh %q", got)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("second use: %v", err)
	}
	if got := status(t, gh, fresh.AccessToken); got != http.StatusOK {
		t.Errorf("a reused refresh token harmed the new pair: %d", got)
	}
}

func TestRefreshTokenOfAnotherAppIsRefusedAndNotSpent(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithApp(githubtest.App{ClientID: "other", Secrets: []string{secret}}))
	tok := gh.IssueToken(clientID, "octocat")
	conf := config(gh)
	conf.ClientID = "other"
	if _, err := conf.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tok.RefreshToken}).Token(); oauthCode(t, err) != "bad_refresh_token" {
		t.Error(err)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); err != nil {
		t.Error(err)
	}
}

func TestScopeCannotChangeAtRefresh(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat", "gist")
	form := url.Values{
		"client_id": {clientID}, "client_secret": {secret}, "grant_type": {"refresh_token"},
		"refresh_token": {tok.RefreshToken}, "scope": {"gist repo"},
	}
	res := post(t, gh, "application/x-www-form-urlencoded", "", form.Encode())
	if values, _ := url.ParseQuery(res.Body); values.Get("error") != "invalid_scope" {
		t.Errorf("answer %q", res.Body)
	}
}

func TestOneOfAHundredParallelRefreshesWins(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok := gh.IssueToken(clientID, "octocat")
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := refresh(t, gh, tok.RefreshToken)
			switch {
			case err == nil:
				won.Add(1)
			case oauthCode(t, err) == "bad_refresh_token":
				lost.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d won and %d lost, want 1 and 99", won.Load(), lost.Load())
	}
	if n := gh.LiveTokens(clientID, 583231); n != 1 {
		t.Errorf("%d live tokens", n)
	}
}

func TestLivesOfTokens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		change      func(*githubtest.App)
		scopes      []string
		life, total int64 // seconds, 0 for none
		prefix      string
	}{
		{"OAuth App", func(*githubtest.App) {}, nil, 28800, 15897600, "gho_"},
		{"GitHub App", gitHubApp, nil, 28800, 15897600, "ghu_"},
		{"without expiry", noExpiry, nil, 0, 0, "gho_"},
		{"without expiry but offline_access", noExpiry, []string{"offline_access"}, 28800, 15897600, "gho_"},
		{"adjusted", func(a *githubtest.App) { a.TokenLife, a.RefreshLife = time.Minute, time.Hour }, nil, 60, 3600, "gho_"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gh := githubtest.New(oauthApp(test.change), githubtest.WithRateLimit(0))
				defer gh.Close()
				web := &http.Client{Transport: gh.Transport()}
				tok := gh.IssueToken(clientID, "octocat", test.scopes...)
				if !strings.HasPrefix(tok.AccessToken, test.prefix) {
					t.Errorf("prefix %.4s", tok.AccessToken)
				}
				if len(tok.Scopes) > 0 {
					t.Errorf("scopes %q", tok.Scopes)
				}
				if test.life == 0 {
					if tok.RefreshToken != "" || !tok.ExpiresAt.IsZero() {
						t.Error("a token without end has an end")
					}
					time.Sleep(400 * 24 * time.Hour)
					wantUserStatus(t, web, gh, tok.AccessToken, http.StatusOK)
					return
				}
				time.Sleep(time.Duration(test.life)*time.Second - 1)
				wantUserStatus(t, web, gh, tok.AccessToken, http.StatusOK)
				time.Sleep(time.Nanosecond)
				wantUserStatus(t, web, gh, tok.AccessToken, http.StatusUnauthorized)
				time.Sleep(time.Duration(test.total-test.life)*time.Second - 1)
				conf := config(gh)
				fresh, err := conf.TokenSource(contextWith(t, web), &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
				if err != nil {
					t.Fatal(err)
				}
				if got := fresh.Extra("expires_in"); got != test.life {
					t.Errorf("expires_in = %v", got)
				}
				if got := fresh.Extra("refresh_token_expires_in"); got != test.total {
					t.Errorf("refresh_token_expires_in = %v", got)
				}
				time.Sleep(time.Duration(test.total) * time.Second)
				_, err = conf.TokenSource(contextWith(t, web), &oauth2.Token{RefreshToken: fresh.RefreshToken}).Token()
				if oauthCode(t, err) != "bad_refresh_token" {
					t.Errorf("expired refresh token: %v", err)
				}
			})
		})
	}
}

func TestEleventhTokenKillsTheOldestOfItsScopeSet(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	other := gh.IssueToken(clientID, "octocat", "repo")
	first := gh.IssueToken(clientID, "octocat", "gist", "user")
	second := gh.IssueToken(clientID, "octocat", "user", "gist")
	for range 8 {
		gh.IssueToken(clientID, "octocat", "gist", "user")
	}
	if got := status(t, gh, first.AccessToken); got != http.StatusOK {
		t.Fatalf("the first of ten answers %d", got)
	}
	// A refresh replaces a token and so pushes none out.
	if _, err := refresh(t, gh, second.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if got := status(t, gh, first.AccessToken); got != http.StatusOK {
		t.Errorf("a refresh pushed the first of ten out: %d", got)
	}
	gh.IssueToken(clientID, "octocat", "gist", "user")
	if got := status(t, gh, first.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the oldest of eleven answers %d", got)
	}
	if _, err := refresh(t, gh, first.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("its refresh token: %v", err)
	}
	if got := status(t, gh, other.AccessToken); got != http.StatusOK {
		t.Errorf("one of another scope set answers %d", got)
	}
}

func TestTokensExpireOnDemandEachForItself(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok, other := gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "hubot")
	gh.ExpireRefreshTokens(clientID, 583231)
	if got := status(t, gh, tok.AccessToken); got != http.StatusOK {
		t.Errorf("the access token answers %d", got)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("the refresh token: %v", err)
	}
	gh.ExpireTokens(clientID, 480938)
	if got := status(t, gh, other.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the other user's access token answers %d", got)
	}
	if _, err := refresh(t, gh, other.RefreshToken); err != nil {
		t.Errorf("the other user's refresh token: %v", err)
	}
}

func TestUnexchangedCodeDiesWithTheAuthorization(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	conf := config(gh)
	code := signIn(t, gh, "octocat", conf.AuthCodeURL("s")).Get("code")
	gh.RevokeUser(clientID, 583231)
	if _, err := conf.Exchange(t.Context(), code); oauthCode(t, err) != "bad_verification_code" {
		t.Error(err)
	}
}
