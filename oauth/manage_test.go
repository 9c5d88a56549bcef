package oauth_test

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

func TestRESTCallsAreWhatGitHubDocuments(t *testing.T) {
	t.Parallel()
	const body = `{"access_token":"` + accessToken + `"}`
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"+clientSecret))
	for name, want := range map[string]call{
		"check token":  {method: http.MethodPost, path: "/api/v3/applications/" + clientID + "/token", body: body},
		"revoke token": {method: http.MethodDelete, path: "/api/v3/applications/" + clientID + "/token", body: body},
		"revoke grant": {method: http.MethodDelete, path: "/api/v3/applications/" + clientID + "/grant", body: body},
		"read user":    {method: http.MethodGet, path: "/api/v3/user"},
	} {
		f := newFake(t, respondJSON(200, `{"id":1,"login":"octocat","user":{"id":1,"login":"octocat"}}`))
		if err := calls[name](t.Context(), f.client(t)); err != nil {
			t.Fatal(err)
		}
		got := f.only(t)
		if got.method != want.method || got.path != want.path || got.body != want.body {
			t.Errorf("%s: GitHub got %s %s %s", name, got.method, got.path, got.body)
		}
		auth := basic
		if name == "read user" {
			auth = "Bearer " + accessToken
		}
		for header, value := range map[string]string{
			"Authorization": auth, "Accept": "application/vnd.github+json", "User-Agent": "ghlogin", "X-GitHub-Api-Version": "2022-11-28",
		} {
			if got := got.header.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	const body = `{"id":583231,"login":"octocat","name":null,"email":"octocat@github.com","avatar_url":"https://avatars.example/1","extra":[]}`
	want := oauth.User{ID: 583231, Login: "octocat", Email: "octocat@github.com", AvatarURL: "https://avatars.example/1"}
	user, err := newClient(t, "", stub(200, "application/json", body)).User(t.Context(), held().AccessToken)
	if err != nil || user != want {
		t.Errorf("the user is %+v, %v; want %+v", user, err, want)
	}
}

// Everybody whose answer is broken would be signed in as one account, number 0.
func TestAnswersThatNameNobody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `null`, `{}`, `[]`, `{"login":"octocat"}`, `{"id":1}`, `{"id":0,"login":"octocat"}`, `{"id":-1,"login":"octocat"}`,
		`{"id":"1","login":"octocat"}`, `{"id":1.5,"login":"octocat"}`, `<html>`, `{"id":1,"login":"octocat"`,
	} {
		for name, body := range map[string]string{"read user": body, "check token": `{"user":` + body + `}`} {
			err := calls[name](t.Context(), newClient(t, "", stub(200, "application/json", body)))
			asError(t, err, oauth.ErrTryLater)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	octocat := oauth.User{ID: 1, Login: "octocat"}
	for body, want := range map[string]oauth.TokenInfo{
		`{"user":{"id":1,"login":"octocat"},"scopes":["repo","gist"],"expires_at":null}`: {User: octocat, Scopes: []string{"repo", "gist"}},
		`{"user":{"id":1,"login":"octocat"},"scopes":null}`:                              {User: octocat},
		`{"user":{"id":1,"login":"octocat"},"scopes":[],"expires_at":"2026-01-02T05:04:05+02:00"}`: {
			User: octocat, Expiry: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	} {
		info, err := newClient(t, "", stub(200, "application/json", body)).Check(t.Context(), held().AccessToken)
		if err != nil || !reflect.DeepEqual(info, want) {
			t.Errorf("%s: the info is %+v, %v; want %+v", body, info, err, want)
		}
	}
	broken := stub(200, "application/json", `{"user":{"id":1,"login":"octocat"},"expires_at":"soon"}`)
	_, err := newClient(t, "", broken).Check(t.Context(), held().AccessToken)
	asError(t, err, oauth.ErrTryLater)
}

func TestStatusesOfRESTCalls(t *testing.T) {
	t.Parallel()
	const js, html = "application/json", "text/html"
	later, again, wrong := oauth.ErrTryLater, oauth.ErrSignInAgain, oauth.ErrMisconfigured
	for _, tt := range []struct {
		status                     int
		contentType                string
		user, check, revoke, grant error
	}{
		{204, js, later, later, nil, nil},
		{400, js, later, later, later, later},
		{401, js, again, wrong, wrong, wrong},
		{403, js, later, later, later, later},
		{404, js, wrong, again, nil, again},
		{422, js, later, later, nil, again},
		{429, js, later, later, later, later},
		{500, js, later, later, later, later},
		{503, html, later, later, later, later},
		// A proxy on the way answers with pages: no evidence about a token.
		{401, html, later, later, later, later},
		{404, html, wrong, wrong, wrong, wrong},
		{422, html, later, later, later, later},
	} {
		client := newClient(t, "", stub(tt.status, tt.contentType, `{"message":"Words."}`))
		for name, want := range map[string]error{
			"read user": tt.user, "check token": tt.check, "revoke token": tt.revoke, "revoke grant": tt.grant,
		} {
			err := calls[name](t.Context(), client)
			if want == nil {
				if err != nil {
					t.Errorf("%s, %d %s: %v, want nil", name, tt.status, tt.contentType, err)
				}
				continue
			}
			if e := asError(t, err, want); e.Status != tt.status {
				t.Errorf("%s, %d %s: the error is %+v", name, tt.status, tt.contentType, e)
			}
		}
	}
}

func TestNoAccessTokenAsksNobody(t *testing.T) {
	t.Parallel()
	client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, http.ErrHandlerTimeout
	}))
	var none oauth.Secret
	_, err := client.User(t.Context(), none)
	asError(t, err, oauth.ErrSignInAgain)
	_, err = client.Check(t.Context(), none)
	asError(t, err, oauth.ErrSignInAgain)
	asError(t, client.RevokeToken(t.Context(), none), oauth.ErrSignInAgain)
	asError(t, client.RevokeGrant(t.Context(), none), oauth.ErrSignInAgain)
}
