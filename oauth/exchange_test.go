package oauth_test

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

func TestExchangeSendsWhatGitHubDocuments(t *testing.T) {
	t.Parallel()
	f := newFake(t, respondJSON(200, `{"access_token":"gho_new","scope":"repo,gist","token_type":"bearer"}`))
	token, err := f.client(t).Exchange(t.Context(), code, verifier)
	if err != nil {
		t.Fatal(err)
	}
	want := oauth.Token{AccessToken: oauth.NewSecret("gho_new"), Scopes: []string{"repo", "gist"}}
	if !reflect.DeepEqual(token, want) || token.AccessToken.Reveal() != "gho_new" {
		t.Errorf("the token is %+v, want %+v", token, want)
	}
	got := f.only(t)
	form := url.Values{
		"client_id": {clientID}, "client_secret": {clientSecret}, "code": {code}, "code_verifier": {verifier.Reveal()},
		"redirect_uri": {"https://app.example/callback"}, "grant_type": {"authorization_code"},
	}
	if got.method != http.MethodPost || got.path != "/login/oauth/access_token" || !reflect.DeepEqual(got.form, form) {
		t.Errorf("GitHub got %s %s %v, want %v", got.method, got.path, got.form, form)
	}
	if got.header.Get("Authorization") != "" {
		t.Error("the client secret was sent a second time, in a header")
	}
	for header, want := range map[string]string{"Accept": "application/json", "User-Agent": "ghlogin"} {
		if got := got.header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	const form, js = "application/x-www-form-urlencoded; charset=utf-8", "application/json; charset=utf-8"
	in := stubDate.Add
	full := oauth.Token{
		AccessToken: oauth.NewSecret("ghu_a"), RefreshToken: oauth.NewSecret("ghr_r"),
		Expiry: in(8 * time.Hour), RefreshExpiry: in(184 * 24 * time.Hour),
	}
	scoped := oauth.Token{AccessToken: oauth.NewSecret("gho_a"), Scopes: []string{"repo", "gist"}}
	for _, tt := range []struct {
		name, contentType, body string
		want                    oauth.Token
	}{
		{"json", js, `{"access_token":"ghu_a","expires_in":28800,"refresh_token":"ghr_r","refresh_token_expires_in":15897600,"scope":"","token_type":"bearer"}`, full},
		{"numbers as strings", js, `{"access_token":"ghu_a","expires_in":"28800","refresh_token":"ghr_r","refresh_token_expires_in":"15897600"}`, full},
		{"a number with a fraction", js, `{"access_token":"ghu_a","expires_in":28800.0,"refresh_token":"ghr_r","refresh_token_expires_in":1.58976e7}`, full},
		{"form", form, "access_token=ghu_a&expires_in=28800&refresh_token=ghr_r&refresh_token_expires_in=15897600&scope=&token_type=bearer", full},
		{"form as plain text", "text/plain", "access_token=ghu_a&expires_in=28800&refresh_token=ghr_r&refresh_token_expires_in=15897600", full},
		{"no content type", "", `{"access_token":"gho_a","scope":"repo,gist"}`, scoped},
		{"scopes after commas", js, `{"access_token":"gho_a","scope":"repo,gist"}`, scoped},
		{"scopes after commas in a form", form, "access_token=gho_a&scope=repo%2Cgist", scoped},
		{"scopes after blanks", js, `{"access_token":"gho_a","scope":"repo gist"}`, scoped},
		{"scopes after both", js, `{"access_token":"gho_a","scope":"repo, gist,"}`, scoped},
		{"nulls", js, `{"access_token":"gho_a","scope":"repo,gist","expires_in":null,"refresh_token":null,"error":null}`, scoped},
		{"fields of another day", js, `{"access_token":"gho_a","scope":"repo,gist","novelty":{"a":[1]}}`, scoped},
		{"expiring without a refresh token", js, `{"access_token":"ghu_a","expires_in":60}`, oauth.Token{AccessToken: oauth.NewSecret("ghu_a"), Expiry: in(time.Minute)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token, err := newClient(t, "", stub(200, tt.contentType, tt.body)).Exchange(t.Context(), code, verifier)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(token, tt.want) {
				t.Errorf("the token is %+v, want %+v", token, tt.want)
			}
		})
	}
}

// An expiry that can't be read must not become the zero time: such a token would be kept for ever.
func TestAnswersThatAreNoTokens(t *testing.T) {
	t.Parallel()
	const form, js = "application/x-www-form-urlencoded", "application/json"
	for _, tt := range []struct{ name, contentType, body string }{
		{"negative expiry", js, `{"access_token":"ghu_a","expires_in":-1}`},
		{"zero expiry", js, `{"access_token":"ghu_a","expires_in":0}`},
		{"words for an expiry", js, `{"access_token":"ghu_a","expires_in":"soon"}`},
		{"empty expiry", js, `{"access_token":"ghu_a","expires_in":""}`},
		{"empty expiry in a form", form, "access_token=ghu_a&expires_in="},
		{"words for an expiry in a form", form, "access_token=ghu_a&expires_in=soon"},
		{"object for an expiry", js, `{"access_token":"ghu_a","expires_in":{}}`},
		{"true for an expiry", js, `{"access_token":"ghu_a","expires_in":true}`},
		{"NaN for an expiry", js, `{"access_token":"ghu_a","expires_in":"NaN"}`},
		{"infinite expiry", js, `{"access_token":"ghu_a","expires_in":"Inf"}`},
		{"overflowing expiry", js, `{"access_token":"ghu_a","expires_in":9223372036854775807}`},
		{"negative refresh expiry", js, `{"access_token":"ghu_a","expires_in":1,"refresh_token":"ghr_r","refresh_token_expires_in":-1}`},
		{"token that would break a header", js, `{"access_token":"ghu_a\r\nX: y"}`},
		{"token of another type", js, `{"access_token":["ghu_a"]}`},
		{"no token", js, `{}`},
		{"empty token", form, "access_token=&scope="},
		{"null", js, `null`},
		{"a list", js, `[]`},
		{"nothing", js, ``},
		{"half an answer", js, `{"access_token":"ghu_a",`},
		{"more than an answer", js, `{"access_token":"ghu_a"}{"access_token":"ghu_b"}`},
		{"a page", "text/html; charset=utf-8", `<html>access_token=ghu_a</html>`},
		{"broken form", form, "access_token=%zz"},
		{"unknown content type", "application/xml", `<OAuth><access_token>ghu_a</access_token></OAuth>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, "", stub(200, tt.contentType, tt.body))
			token, err := client.Refresh(t.Context(), held())
			e := asError(t, err, oauth.ErrTryLater)
			if !e.Unknown || e.Status != 200 || !reflect.DeepEqual(token, oauth.Token{}) {
				t.Errorf("the error is %+v, the token %+v", e, token)
			}
		})
	}
}

func TestExpiryIsReckonedFromGitHubsClock(t *testing.T) {
	t.Parallel()
	const body = `{"access_token":"ghu_a","expires_in":28800,"refresh_token":"ghr_r","refresh_token_expires_in":15897600}`
	for _, skew := range []time.Duration{-5 * time.Hour, 0, 7 * time.Hour} {
		date := time.Now().Add(skew).UTC().Truncate(time.Second)
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", date.Format(http.TimeFormat))
			respondJSON(200, body)(w, r)
		})
		token, err := f.client(t).Exchange(t.Context(), code, verifier)
		if err != nil {
			t.Fatal(err)
		}
		if want := date.Add(8 * time.Hour); !token.Expiry.Equal(want) || token.Expiry.Location() != time.UTC {
			t.Errorf("skew %v: the token expires %v, want %v", skew, token.Expiry, want)
		}
		if want := date.Add(184 * 24 * time.Hour); !token.RefreshExpiry.Equal(want) {
			t.Errorf("skew %v: the refresh token expires %v, want %v", skew, token.RefreshExpiry, want)
		}
	}
}

func TestExpiryIsReckonedFromTheLocalClockIfGitHubTellsNoTime(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"", "yesterday"} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(1500 * time.Millisecond) // Off the whole second; the clock is the test's.
			client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
				resp := answered(200, `{"access_token":"ghu_a","expires_in":60}`)
				resp.Header.Set("Date", date)
				return resp, nil
			}))
			token, err := client.Exchange(t.Context(), code, verifier)
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Now().UTC().Truncate(time.Second).Add(time.Minute); token.Expiry != want {
				t.Errorf("Date %q: the token expires %v, want %v", date, token.Expiry, want)
			}
		})
	}
}

func TestTokenSaysWhenItIsOver(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	expiring, lasting := oauth.Token{Expiry: end}, oauth.Token{}
	if !expiring.Expires() || lasting.Expires() || lasting.ExpiredAt(end) || lasting.Refreshable() || !held().Refreshable() {
		t.Error("Expires, ExpiredAt or Refreshable is wrong")
	}
	if expiring.ExpiredAt(end.Add(-1)) || !expiring.ExpiredAt(end) || !expiring.ExpiredAt(end.Add(1)) {
		t.Error("a token is not over exactly from its expiry on")
	}
}

func TestExchangeWithoutCodeOrVerifierAsksNobody(t *testing.T) {
	t.Parallel()
	client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, http.ErrHandlerTimeout
	}))
	_, err := client.Exchange(t.Context(), "", verifier)
	asError(t, err, oauth.ErrStartAgain)
	_, err = client.Exchange(t.Context(), code, oauth.Secret{})
	asError(t, err, oauth.ErrStartAgain)
}
