package githubtest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
)

// receiver is an app's webhook handler as go-github reads it.
func receiver(t *testing.T, secret string, got chan<- *github.GitHubAppAuthorizationEvent) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := github.ValidatePayload(r, []byte(secret))
		if err != nil {
			http.Error(w, "bad signature", http.StatusForbidden)
			return
		}
		event, err := github.ParseWebHook(github.WebHookType(r), payload)
		if err != nil {
			t.Error(err)
			return
		}
		revoked, ok := event.(*github.GitHubAppAuthorizationEvent)
		if !ok || github.DeliveryID(r) == "" {
			t.Errorf("got a %T, delivery %q", event, github.DeliveryID(r))
			return
		}
		got <- revoked
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRevokingAGitHubAppKillsTokensAndSendsASignedWebhook(t *testing.T) {
	t.Parallel()
	got := make(chan *github.GitHubAppAuthorizationEvent, 1)
	hook := receiver(t, "hook secret", got)
	gh := githubtest.Start(t, oauthApp(gitHubApp, func(a *githubtest.App) { a.WebhookURL, a.WebhookSecret = hook, "hook secret" }))
	tok := gh.IssueToken(clientID, "hubot")
	gh.RevokeUser(clientID, 480938)
	if len(got) == 0 {
		t.Fatalf("nothing arrived: %+v", gh.Deliveries())
	}
	event := <-got
	if event.GetAction() != "revoked" || event.GetSender().GetID() != 480938 || event.GetSender().GetLogin() != "hubot" {
		t.Errorf("event %v", event)
	}
	if d := gh.Deliveries(); len(d) != 1 || d[0].Status != http.StatusOK || d[0].Event != "github_app_authorization" || d[0].UserID != 480938 {
		t.Errorf("deliveries %+v", d)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the access token answers %d", got)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); oauthCode(t, err) != "bad_refresh_token" {
		t.Errorf("the refresh token: %v", err)
	}
}

func TestWrongWebhookSecretAndDeadReceiverAreRecorded(t *testing.T) {
	t.Parallel()
	hook := receiver(t, "hook secret", nil)
	gh := githubtest.Start(t, oauthApp(gitHubApp, func(a *githubtest.App) { a.WebhookURL, a.WebhookSecret = hook, "other secret" }))
	gh.RevokeUser(clientID, 480938)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	gh.UpdateApp(clientID, func(a *githubtest.App) { a.WebhookURL = gone.URL })
	gh.RevokeUser(clientID, 480938)
	d := gh.Deliveries()
	if len(d) != 2 || d[0].Status != http.StatusForbidden || d[1].Status != 0 || d[1].Err == nil {
		t.Errorf("deliveries %+v", d)
	}
}

func TestRedeliveryIsTheSameDeliveryOnceMore(t *testing.T) {
	t.Parallel()
	got := make(chan *github.GitHubAppAuthorizationEvent, 2)
	hook := receiver(t, "hook secret", got)
	gh := githubtest.Start(t, oauthApp(gitHubApp, func(a *githubtest.App) { a.WebhookURL, a.WebhookSecret = hook, "hook secret" }))
	gh.RevokeUser(clientID, 480938)
	gh.Redeliver(gh.Deliveries()[0].ID)
	d := gh.Deliveries()
	if len(got) != 2 || len(d) != 2 || d[0].ID != d[1].ID || d[0].Redelivery || !d[1].Redelivery || d[1].Status != http.StatusOK {
		t.Fatalf("%d arrived, deliveries %+v", len(got), d)
	}
	if first, second := <-got, <-got; first.GetSender().GetID() != second.GetSender().GetID() {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestOAuthAppsAreNotTold(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(func(a *githubtest.App) { a.WebhookURL = "http://127.0.0.1:1/" }))
	gh.RevokeUser(clientID, 480938)
	if d := gh.Deliveries(); len(d) != 0 {
		t.Errorf("deliveries %+v", d)
	}
}

// roundTrip lets a function be a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWebhookTransportCanBeReplaced(t *testing.T) {
	t.Parallel()
	called := false
	gh := githubtest.New(
		oauthApp(gitHubApp, func(a *githubtest.App) { a.WebhookURL = "https://app.example/hook" }),
		githubtest.WithWebhookTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			called = r.URL.Host == "app.example"
			return nil, errors.New("enough")
		})),
	)
	defer gh.Close()
	gh.RevokeUser(clientID, 480938)
	if !called {
		t.Error("the transport was not asked")
	}
}
