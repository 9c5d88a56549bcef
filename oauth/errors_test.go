package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ghlogin/ghlogin/oauth"
)

// documented is each code that GitHub documents with its class at the exchange and at a refresh.
var documented = map[oauth.Code][2]error{
	"bad_verification_code":        {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"incorrect_client_credentials": {oauth.ErrMisconfigured, oauth.ErrMisconfigured},
	"redirect_uri_mismatch":        {oauth.ErrMisconfigured, oauth.ErrMisconfigured},
	"unverified_user_email":        {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"bad_refresh_token":            {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"unsupported_grant_type":       {oauth.ErrMisconfigured, oauth.ErrMisconfigured},
	"access_denied":                {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"application_suspended":        {oauth.ErrMisconfigured, oauth.ErrMisconfigured},
	"authorization_pending":        {oauth.ErrTryLater, oauth.ErrTryLater},
	"slow_down":                    {oauth.ErrTryLater, oauth.ErrTryLater},
	"expired_token":                {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"token_expired":                {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"incorrect_device_code":        {oauth.ErrStartAgain, oauth.ErrSignInAgain},
	"device_flow_disabled":         {oauth.ErrMisconfigured, oauth.ErrMisconfigured},
}

func TestEachDocumentedCodeHasItsClass(t *testing.T) {
	t.Parallel()
	const uri = "https://docs.github.com/apps/#bad"
	sentCode := code
	for code, classes := range documented {
		for _, answer := range []struct {
			name, contentType, body string
			status                  int
		}{
			{"200 json", "application/json", fmt.Sprintf(`{"error":%q,"error_description":"Words.","error_uri":%q}`, code, uri), 200},
			{"400 json", "application/json", fmt.Sprintf(`{"error":%q,"error_description":"Words.","error_uri":%q}`, code, uri), 400},
			{"429 json", "application/json", fmt.Sprintf(`{"error":%q,"error_description":"Words.","error_uri":%q}`, code, uri), 429},
			{"200 form", "application/x-www-form-urlencoded", url.Values{"error": {string(code)}, "error_description": {"Words."}, "error_uri": {uri}}.Encode(), 200},
			// A token beside an error is none.
			{"200 token too", "application/json", fmt.Sprintf(`{"access_token":"gho_a","error":%q,"error_description":"Words.","error_uri":%q}`, code, uri), 200},
		} {
			client := newClient(t, "", stub(answer.status, answer.contentType, answer.body))
			token, err := client.Exchange(t.Context(), sentCode, verifier)
			atExchange := asError(t, err, classes[0])
			_, err = client.Refresh(t.Context(), held())
			atRefresh := asError(t, err, classes[1])
			for _, e := range []*oauth.Error{atExchange, atRefresh} {
				if e.Code != code || e.Status != answer.status || e.Description != "Words." || e.URI != uri || e.Unknown || !token.AccessToken.IsZero() {
					t.Errorf("%s as %s: the error is %+v", code, answer.name, e)
				}
				if !strings.Contains(err.Error(), string(code)) {
					t.Errorf("%q doesn't name the code %s", err, code)
				}
			}
		}
	}
}

func TestAnswersWithoutADocumentedCode(t *testing.T) {
	t.Parallel()
	const js, html = "application/json", "text/html"
	for _, tt := range []struct {
		status              int
		contentType, body   string
		exchange, refresh   error
		unknown             bool
		code                oauth.Code
		firstDescriptionHas string
	}{
		{200, js, `{"error":"novelty","error_description":"New."}`, oauth.ErrStartAgain, oauth.ErrTryLater, false, "novelty", "New."},
		{400, js, `{"error":"novelty"}`, oauth.ErrStartAgain, oauth.ErrTryLater, false, "novelty", ""},
		{200, js, `{"error":"Not a code!"}`, oauth.ErrStartAgain, oauth.ErrTryLater, false, "", ""},
		{404, js, `{"error":"Not Found"}`, oauth.ErrMisconfigured, oauth.ErrMisconfigured, false, "", ""},
		{404, html, `<html>`, oauth.ErrMisconfigured, oauth.ErrMisconfigured, false, "", ""},
		{403, js, `{"error":"novelty"}`, oauth.ErrTryLater, oauth.ErrTryLater, false, "", ""},
		{403, html, `<html>`, oauth.ErrTryLater, oauth.ErrTryLater, false, "", ""},
		{429, js, `{"message":"slow"}`, oauth.ErrTryLater, oauth.ErrTryLater, false, "", "slow"},
		{401, js, `{"message":"Bad credentials"}`, oauth.ErrTryLater, oauth.ErrTryLater, false, "", "Bad credentials"},
		{422, js, `{}`, oauth.ErrTryLater, oauth.ErrTryLater, false, "", ""},
		{500, js, `{"error":"bad_refresh_token"}`, oauth.ErrTryLater, oauth.ErrTryLater, true, "", ""},
		{502, html, `<html>`, oauth.ErrTryLater, oauth.ErrTryLater, true, "", ""},
		{503, js, `{"error":"bad_verification_code"}`, oauth.ErrTryLater, oauth.ErrTryLater, true, "", ""},
		{204, js, ``, oauth.ErrTryLater, oauth.ErrTryLater, true, "", ""},
		{201, js, `{"access_token":"gho_a"}`, oauth.ErrTryLater, oauth.ErrTryLater, true, "", ""},
		{304, js, ``, oauth.ErrMisconfigured, oauth.ErrMisconfigured, true, "", ""},
	} {
		client := newClient(t, "", stub(tt.status, tt.contentType, tt.body))
		_, err := client.Exchange(t.Context(), code, verifier)
		first := asError(t, err, tt.exchange)
		_, err = client.Refresh(t.Context(), held())
		second := asError(t, err, tt.refresh)
		for _, e := range []*oauth.Error{first, second} {
			if e.Class == nil || e.Unknown != tt.unknown || e.Code != tt.code || e.Status != tt.status || e.Description != tt.firstDescriptionHas {
				t.Errorf("%d %s: the error is %+v", tt.status, tt.body, e)
			}
		}
	}
}

func TestErrorRepeatsNothingThatWasSent(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{clientSecret, refreshToken, accessToken} {
		for _, body := range []string{
			fmt.Sprintf(`{"error":"bad_refresh_token","error_description":"you sent %s!","error_uri":"https://docs.github.com/?t=%s"}`, secret, secret),
			fmt.Sprintf(`{"error":"%s","error_description":"%s%s"}`, strings.ReplaceAll(secret, "-", "_"), secret, secret),
			fmt.Sprintf(`{"error":"%s","error_description":"%s\u0000%s"}`, secret, secret[:5], secret[5:]),
			fmt.Sprintf(`{"message":"%s"}`, secret),
			secret,
		} {
			for _, status := range []int{200, 400, 403, 500} {
				_, err := newClient(t, "", stub(status, "application/json", body)).Refresh(t.Context(), held())
				if err == nil {
					t.Fatal("no error")
				}
				var e *oauth.Error
				if !errors.As(err, &e) {
					t.Fatal(err)
				}
				noSecrets(t, fmt.Sprintf("%s %+v %#v", err, e, *e))
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				noSecrets(t, string(text))
			}
		}
	}
	body := fmt.Sprintf(`{"error":%q,"error_description":"%s %s"}`, "code_0123456789abcdef", code, verifier.Reveal())
	_, err := newClient(t, "", stub(200, "application/json", body)).Exchange(t.Context(), code, verifier)
	asError(t, err, oauth.ErrStartAgain)
	// A code with runes that a form escapes, in both spellings.
	body = `{"error":"novelty","error_description":"you sent a/b+c and a%2Fb%2Bc"}`
	_, err = newClient(t, "", stub(200, "application/json", body)).Exchange(t.Context(), "a/b+c", verifier)
	if e := asError(t, err, oauth.ErrStartAgain); e.Description != "you sent REDACTED and REDACTED" {
		t.Errorf("the description is %q", e.Description)
	}
	_, err = newClient(t, "", stub(200, "application/json", `{"error":"abcdef0123456789"}`)).Exchange(t.Context(), "abcdef0123456789", verifier)
	if e := asError(t, err, oauth.ErrStartAgain); e.Code != "" {
		t.Errorf("the code of the error is the code that was sent: %q", e.Code)
	}
}

func TestDescriptionIsOneBoundedLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain words":                "plain words",
		"two\r\nlines\tand \x1b[31m": "two  lines and [31m",
		"\u202etxet\u200b\ufffd":     "txet",
		strings.Repeat("ü", 200):     strings.Repeat("ü", 200),
		strings.Repeat("ü", 201):     strings.Repeat("ü", 199) + "…",
		strings.Repeat("ü", 10_000):  strings.Repeat("ü", 199) + "…",
	} {
		err := oauth.CallbackError(url.Values{"error": {"access_denied"}, "error_description": {in}})
		e := asError(t, err, oauth.ErrStartAgain)
		if e.Description != want || utf8.RuneCountInString(e.Description) > 200 {
			t.Errorf("%.50q became %q, want %q", in, e.Description, want)
		}
	}
}

func TestCallbackError(t *testing.T) {
	t.Parallel()
	for code, class := range map[string]error{
		"access_denied":         oauth.ErrStartAgain,
		"application_suspended": oauth.ErrMisconfigured,
		"redirect_uri_mismatch": oauth.ErrMisconfigured,
		"bad_refresh_token":     oauth.ErrStartAgain, // Nobody has a token yet.
		"slow_down":             oauth.ErrStartAgain,
		"novelty":               oauth.ErrStartAgain,
	} {
		err := oauth.CallbackError(url.Values{
			"error": {code}, "error_description": {"call 555-0100"}, "code": {"c"}, "state": {"s"},
			"error_uri": {"https://docs.github.com/apps/x#access-denied"},
		})
		e := asError(t, err, class)
		if e.Op != "callback" || string(e.Code) != code || e.Description != "call 555-0100" || e.URI == "" || e.Unknown {
			t.Errorf("%s: the error is %+v", code, e)
		}
		if strings.Contains(err.Error(), "555") {
			t.Errorf("%q lets the visitor speak", err)
		}
	}
	for _, q := range []url.Values{nil, {}, {"error": {""}}, {"code": {"c"}}, {"error_description": {"x"}}} {
		if err := oauth.CallbackError(q); err != nil {
			t.Errorf("%v: %v, want nil", q, err)
		}
	}
	if err := oauth.CallbackError(url.Values{"error": {"", "access_denied"}}); err == nil {
		t.Error("an empty error hides the one behind it")
	}
}

func TestCallbackErrorTrustsNoVisitor(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"<script>", "access denied", "a\nb", strings.Repeat("a", 65), "Access_denied", "é"} {
		e := asError(t, oauth.CallbackError(url.Values{"error": {code}}), oauth.ErrStartAgain)
		if e.Code != "" || strings.Contains(e.Error(), code) {
			t.Errorf("%q came through: %+v", code, e)
		}
	}
	for _, uri := range []string{
		"http://docs.github.com/", "https://example.com/", "https://docs.github.com.example.com/", "javascript:alert(1)",
		"https://u@docs.github.com/", "//docs.github.com/", "https://docs.github.com:8443/", "https://docs.github.com/" + strings.Repeat("a", 300),
		"https://docs.github.com/\x00",
	} {
		e := asError(t, oauth.CallbackError(url.Values{"error": {"access_denied"}, "error_uri": {uri}}), oauth.ErrStartAgain)
		if e.URI != "" {
			t.Errorf("the link %q came through", e.URI)
		}
	}
}

func TestErrorMadeByHandHasTheClassOfItsCode(t *testing.T) {
	t.Parallel()
	asError(t, &oauth.Error{Code: oauth.CodeBadRefreshToken}, oauth.ErrSignInAgain)
	asError(t, &oauth.Error{Class: oauth.ErrStartAgain, Code: oauth.CodeBadRefreshToken}, oauth.ErrStartAgain)
	// Nobody is signed out for an error that says nothing.
	asError(t, &oauth.Error{}, oauth.ErrTryLater)
	asError(t, &oauth.Error{Code: "novelty"}, oauth.ErrTryLater)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	date := stubDate.Format(http.TimeFormat)
	for _, tt := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   time.Duration
	}{
		{"seconds", 429, map[string]string{"Retry-After": "30"}, "", 30 * time.Second},
		{"a date, by GitHub's clock", 503, map[string]string{"Retry-After": stubDate.Add(time.Minute).Format(http.TimeFormat)}, "", time.Minute},
		{"the reset of a used-up limit", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(stubDate.Unix() + 90)}, "", 90 * time.Second},
		{"a limit that is not used up", 403, map[string]string{"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": fmt.Sprint(stubDate.Unix() + 90)}, "", 0},
		{"a reset in the past", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, "", 0},
		{"a secondary limit without a time", 403, nil, `{"message":"You have exceeded a secondary rate limit."}`, time.Minute},
		{"429 without a time", 429, nil, "", time.Minute},
		{"403 for another reason", 403, nil, `{"message":"Forbidden"}`, 0},
		{"500", 500, nil, "", 0},
		{"nonsense", 503, map[string]string{"Retry-After": "soon"}, "", 0},
		{"negative", 503, map[string]string{"Retry-After": "-5"}, "", 0},
		{"years", 503, map[string]string{"Retry-After": "9223372036854775807"}, "", 24 * time.Hour},
	} {
		client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
			resp := answered(tt.status, tt.body)
			resp.Header.Set("Date", date)
			for key, value := range tt.header {
				resp.Header.Set(key, value)
			}
			return resp, nil
		}))
		_, err := client.User(t.Context(), oauth.NewSecret(accessToken))
		if e := asError(t, err, oauth.ErrTryLater); e.RetryAfter != tt.want {
			t.Errorf("%s: RetryAfter is %v, want %v", tt.name, e.RetryAfter, tt.want)
		}
		_, err = client.Refresh(t.Context(), held())
		if e := asError(t, err, oauth.ErrTryLater); e.RetryAfter != tt.want {
			t.Errorf("%s, at a refresh: RetryAfter is %v, want %v", tt.name, e.RetryAfter, tt.want)
		}
	}
}
