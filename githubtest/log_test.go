package githubtest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestLogTellsWhoDidWhatAndNoSecret(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	conf, verifier := config(gh), oauth2.GenerateVerifier()
	code := signIn(t, gh, "octocat", conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))).Get("code")
	tok, err := conf.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	status(t, gh, tok.AccessToken)
	if _, err := refresh(t, gh, "ghr_wrong"); oauthCode(t, err) != "bad_refresh_token" {
		t.Fatal(err)
	}
	calls := gh.Calls()
	for i := range calls {
		if calls[i].Time.IsZero() {
			t.Error("a call without time")
		}
		calls[i].Time = calls[0].Time
	}
	want := []githubtest.Call{
		{Method: "GET", Path: "/login/oauth/authorize", Status: 302, ClientID: clientID, UserLogin: "octocat", UserID: 583231},
		{
			Method: "POST", Path: "/login/oauth/access_token", Status: 200, ClientID: clientID, GrantType: "authorization_code",
			UserLogin: "octocat", UserID: 583231,
		},
		{Method: "GET", Path: "/api/v3/user", Status: 200, ClientID: clientID, UserLogin: "octocat", UserID: 583231, AuthScheme: "bearer"},
		{Method: "POST", Path: "/login/oauth/access_token", Status: 200, ClientID: clientID, GrantType: "refresh_token", OAuthError: "bad_refresh_token"},
	}
	for i := range want {
		want[i].Time = calls[0].Time
	}
	if !slices.Equal(calls, want) {
		t.Errorf("log\n%+v, want\n%+v", calls, want)
	}
	if gh.TokenRequests("") != 2 || gh.TokenRequests("authorization_code") != 1 || gh.TokenRequests("refresh_token") != 1 {
		t.Error("token requests miscounted")
	}
	secrets := gh.Secrets()
	for name, value := range map[string]string{
		"client secret": secret, "code": code, "verifier": verifier, "access token": tok.AccessToken, "refresh token": tok.RefreshToken,
	} {
		if !slices.Contains(secrets, value) {
			t.Errorf("the %s is not among the secrets", name)
		}
		if strings.Contains(fmt.Sprintf("%+v", gh.Calls()), value) {
			t.Errorf("the %s is in the log", name)
		}
	}
	gh.ResetCalls()
	if len(gh.Calls()) != 0 || gh.TokenRequests("") != 0 {
		t.Error("the log is not empty after a reset")
	}
}

func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithBadCredentialsLimit(0, 0))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				tok := gh.IssueToken(clientID, "octocat", "gist")
				if _, err := refresh(t, gh, tok.RefreshToken); err != nil && oauthCode(t, err) != "bad_refresh_token" {
					t.Error(err)
				}
				status(t, gh, tok.AccessToken)
				switch i {
				case 0:
					gh.RenameUser(480938, fmt.Sprintf("hubot-%d", i))
				case 1:
					gh.AddUser(githubtest.User{ID: 2000, Login: "new"})
				case 2:
					gh.Inject(githubtest.Fault{Times: 1, Header: http.Header{"X-Fault": {"1"}}})()
				case 3:
					gh.UpdateApp(clientID, func(a *githubtest.App) { a.Name = "Other" })
				case 4:
					_, _, _ = gh.Calls(), gh.Secrets(), gh.Deliveries()
				case 5:
					gh.ExpireTokens(clientID, 583231)
				case 6:
					gh.RevokeUser(clientID, 583231)
				}
			}
		})
	}
	all.Wait()
}
