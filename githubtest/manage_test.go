package githubtest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
)

// appClient is go-github with the app's id and secret.
func appClient(t *testing.T, gh *githubtest.Server, secret string) *github.Client {
	t.Helper()
	basic := &github.BasicAuthTransport{Username: clientID, Password: secret}
	c, err := github.NewClient(github.WithHTTPClient(basic.Client()), github.WithEnterpriseURLs(gh.URL(), gh.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckingDeadTokensLocksNobodyOut(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithBadCredentialsLimit(3, time.Minute))
	dead := gh.IssueToken(clientID, "octocat")
	gh.RevokeToken(dead.AccessToken)
	for range 5 {
		if _, _, err := appClient(t, gh, secret).Authorizations.Check(t.Context(), clientID, dead.AccessToken); statusOf(t, err) != http.StatusNotFound {
			t.Fatal(err)
		}
	}
	if got := status(t, gh, gh.IssueToken(clientID, "octocat").AccessToken); got != http.StatusOK {
		t.Errorf("a good token answers %d", got)
	}
}

func TestAppsManageTheirTokens(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithApp(githubtest.App{ClientID: "other", Secrets: []string{secret}}))
	api, ctx := appClient(t, gh, secret).Authorizations, t.Context()

	tok := gh.IssueToken(clientID, "octocat", "gist")
	checked, _, err := api.Check(ctx, clientID, tok.AccessToken)
	if err != nil || checked.GetUser().GetLogin() != "octocat" || checked.GetApp().GetClientID() != clientID || len(checked.Scopes) != 1 {
		t.Errorf("check: %v, %v", checked, err)
	}
	foreign := gh.IssueToken("other", "octocat")
	if _, _, err := api.Check(ctx, clientID, foreign.AccessToken); statusOf(t, err) != http.StatusNotFound {
		t.Errorf("check of another app's token: %v", err)
	}
	if _, _, err := api.Check(ctx, "other", foreign.AccessToken); statusOf(t, err) != http.StatusNotFound {
		t.Errorf("check in the name of another app: %v", err)
	}
	if _, _, err := api.Check(ctx, "other", tok.AccessToken); statusOf(t, err) != http.StatusNotFound {
		t.Errorf("check of an own token in the name of another app: %v", err)
	}
	if _, _, err := appClient(t, gh, "wrong").Authorizations.Check(ctx, clientID, tok.AccessToken); statusOf(t, err) != http.StatusUnauthorized {
		t.Errorf("check with a wrong secret: %v", err)
	}

	reset, _, err := api.Reset(ctx, clientID, tok.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if status(t, gh, tok.AccessToken) != http.StatusUnauthorized || status(t, gh, reset.GetToken()) != http.StatusOK {
		t.Error("reset didn't swap the tokens")
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("the refresh token of a reset token: %v", err)
	}

	gh.ExpireTokens(clientID, 583231)
	if n := gh.LiveTokens(clientID, 583231); n != 0 {
		t.Errorf("%d tokens live after the reset one expired, so it had a refresh token", n)
	}

	one, two, three := gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "octocat")
	if _, err := api.Revoke(ctx, clientID, one.AccessToken); err != nil {
		t.Fatal(err)
	}
	if status(t, gh, one.AccessToken) != http.StatusUnauthorized || status(t, gh, two.AccessToken) != http.StatusOK {
		t.Error("revoke is for one token")
	}
	if _, err := api.DeleteGrant(ctx, clientID, two.AccessToken); err != nil {
		t.Fatal(err)
	}
	if status(t, gh, two.AccessToken) != http.StatusUnauthorized || status(t, gh, three.AccessToken) != http.StatusUnauthorized {
		t.Error("deleting the grant left a token alive")
	}
	if status(t, gh, foreign.AccessToken) != http.StatusOK {
		t.Error("deleting the grant killed another app's token")
	}
}

func TestAnybodyRevokesLeakedCredentialsButOnlyWithoutAuthentication(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	tok, other := gh.IssueToken(clientID, "octocat"), gh.IssueToken(clientID, "octocat")
	if _, err := client(t, gh, other.AccessToken).Credentials.Revoke(t.Context(), []string{tok.RefreshToken}); statusOf(t, err) != http.StatusForbidden {
		t.Errorf("authenticated: %v", err)
	}
	anonymous, err := github.NewClient(github.WithEnterpriseURLs(gh.URL(), gh.URL()))
	if err != nil {
		t.Fatal(err)
	}
	// go-github reports 202 as an AcceptedError on some calls.
	var accepted *github.AcceptedError
	if _, err := anonymous.Credentials.Revoke(t.Context(), []string{tok.RefreshToken}); err != nil && !errors.As(err, &accepted) {
		t.Fatal(err)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("refresh token: %v", err)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusOK {
		t.Errorf("its access token answers %d", got)
	}
	if _, err := anonymous.Credentials.Revoke(t.Context(), []string{tok.AccessToken}); err != nil && !errors.As(err, &accepted) {
		t.Fatal(err)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("access token answers %d", got)
	}
}
