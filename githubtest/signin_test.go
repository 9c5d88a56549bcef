package githubtest_test

import (
	"strings"
	"testing"

	"github.com/google/go-github/v92/github"
	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestSignInReadUserAndRefreshWithForeignClients(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	conf, verifier := config(gh, "read:user", "user:email"), oauth2.GenerateVerifier()
	q := signIn(t, gh, "octocat", conf.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier)))
	if q.Get("state") != "the state" {
		t.Fatalf("state = %q", q.Get("state"))
	}
	tok, err := conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(tok.AccessToken, "gho_") || !strings.HasPrefix(tok.RefreshToken, "ghr_") {
		t.Errorf("wrong prefixes: %.4s, %.4s", tok.AccessToken, tok.RefreshToken)
	}
	if got := tok.Extra("scope"); got != "read:user,user:email" {
		t.Errorf("scope = %q", got)
	}
	client, err := github.NewClient(github.WithAuthToken(tok.AccessToken), github.WithEnterpriseURLs(gh.URL(), gh.URL()))
	if err != nil {
		t.Fatal(err)
	}
	u, res, err := client.Users.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if u.GetLogin() != "octocat" || u.GetID() != 583231 {
		t.Errorf("user = %v", u)
	}
	if res.TokenExpiration.IsZero() {
		t.Error("go-github read no token expiration")
	}

	gh.ExpireTokens(clientID, 583231)
	if _, _, err := client.Users.Get(t.Context(), ""); err == nil {
		t.Error("an expired token still works")
	}
	expired := *tok
	expired.Expiry = expired.Expiry.AddDate(-1, 0, 0)
	fresh, err := conf.TokenSource(t.Context(), &expired).Token()
	if err != nil {
		t.Fatal(err)
	}
	if fresh.AccessToken == tok.AccessToken || fresh.RefreshToken == tok.RefreshToken {
		t.Error("the refresh gave an old token")
	}
	if n := gh.TokenRequests("refresh_token"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}
