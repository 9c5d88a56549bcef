package oauth_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// answered is an answer of GitHub for a transport without a network.
func answered(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}
}

func TestRefreshSendsWhatGitHubDocuments(t *testing.T) {
	t.Parallel()
	f := newFake(t, respondJSON(200, `{"access_token":"ghu_new","expires_in":28800,"refresh_token":"ghr_new","refresh_token_expires_in":100,"scope":"gist"}`))
	token, err := f.client(t).Refresh(t.Context(), held())
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken.Reveal() != "ghu_new" || token.RefreshToken.Reveal() != "ghr_new" || !reflect.DeepEqual(token.Scopes, []string{"gist"}) {
		t.Errorf("the token is %q, %q, %v", token.AccessToken.Reveal(), token.RefreshToken.Reveal(), token.Scopes)
	}
	want := url.Values{
		"client_id": {clientID}, "client_secret": {clientSecret},
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken},
	}
	if got := f.only(t); got.path != "/login/oauth/access_token" || !reflect.DeepEqual(got.form, want) || got.header.Get("Authorization") != "" {
		t.Errorf("GitHub got %s %v, want %v", got.path, got.form, want)
	}
}

func TestRefreshKeepsWhatTheAnswerLeavesOut(t *testing.T) {
	t.Parallel()
	old := held()
	old.RefreshExpiry = time.Now().Add(time.Hour)
	client := newClient(t, "", stub(200, "application/json", `{"access_token":"ghu_new","expires_in":60}`))
	token, err := client.Refresh(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	want := old
	want.AccessToken, want.Expiry = oauth.NewSecret("ghu_new"), stubDate.Add(time.Minute)
	if !reflect.DeepEqual(token, want) {
		t.Errorf("the token is %+v, want %+v", token, want)
	}
	token.Scopes[0] = "changed"
	if old.Scopes[0] == "changed" {
		t.Error("the new token shares the old one's scopes")
	}
}

func TestRefreshTakesBackScopesThatGitHubTookBack(t *testing.T) {
	t.Parallel()
	client := newClient(t, "", stub(200, "application/json", `{"access_token":"gho_new","scope":""}`))
	token, err := client.Refresh(t.Context(), held())
	if err != nil || token.Scopes != nil {
		t.Errorf("the scopes are %v, %v; want none", token.Scopes, err)
	}
}

// The end of the old refresh token says nothing about the new one's.
func TestRefreshDropsTheOldRefreshExpiryWithTheOldRefreshToken(t *testing.T) {
	t.Parallel()
	old := held()
	old.RefreshExpiry = time.Now().Add(time.Hour)
	client := newClient(t, "", stub(200, "application/json", `{"access_token":"ghu_new","expires_in":60,"refresh_token":"ghr_new"}`))
	token, err := client.Refresh(t.Context(), old)
	if err != nil || !token.RefreshExpiry.IsZero() {
		t.Errorf("the refresh token expires %v, %v; want unknown", token.RefreshExpiry, err)
	}
}

// A second request with a refresh token that the first one spent looks like a revocation.
func TestRefreshIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"bad_refresh_token":       respondCode(oauth.CodeBadRefreshToken),
		"unknown code":            respondCode("novelty"),
		"500":                     respond(500, "text/html", "<html>"),
		"503 with a code":         respondJSON(503, `{"error":"incorrect_client_credentials"}`),
		"429":                     respondJSON(429, `{}`),
		"401":                     respondJSON(401, `{"message":"Bad credentials"}`),
		"400":                     respondJSON(400, `{"error":"bad_refresh_token"}`),
		"garbage":                 respond(200, "text/html", "<html>"),
		"cut":                     cut,
		"only secret was refused": respondCode(oauth.CodeIncorrectClientCredentials),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, answer)
			if _, err := f.client(t).Refresh(t.Context(), held()); err == nil {
				t.Error("no error")
			}
			f.only(t)
		})
	}
}

// cut closes the connection in place of an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestRefreshThatCannotWorkAsksNobody(t *testing.T) {
	t.Parallel()
	client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("no network")
	}))
	lasting, late := held(), held()
	lasting.RefreshToken = oauth.Secret{}
	late.RefreshExpiry = time.Now().Add(-time.Second)
	for name, token := range map[string]oauth.Token{"no refresh token": lasting, "refresh token expired": late} {
		_, err := client.Refresh(t.Context(), token)
		if e := asError(t, err, oauth.ErrSignInAgain); e.Unknown || e.Status != 0 {
			t.Errorf("%s: the error is %+v", name, e)
		}
	}
}
