package oauth_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ghlogin/ghlogin/oauth"
)

// FuzzTokenAnswer: whatever the token endpoint answers, there is a usable token or a typed error.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"ghu_a","expires_in":28800,"refresh_token":"ghr_r","refresh_token_expires_in":"15897600","scope":"a,b"}`,
		"access_token=ghu_a&expires_in=28800&scope=a%2Cb", `{"error":"bad_refresh_token","error_description":"x"}`, "error=%00", `{`, "",
	} {
		for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded", "text/html", ""} {
			f.Add(200, contentType, body)
			f.Add(502, contentType, body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		if status < 100 || status > 999 {
			t.Skip("no HTTP status")
		}
		client := newClient(t, "", stub(status, contentType, body))
		token, err := client.Refresh(t.Context(), held())
		if err == nil {
			access := token.AccessToken.Reveal()
			if status != 200 || access == "" || strings.ContainsAny(access, " \r\n\x00") || !token.Refreshable() {
				t.Errorf("took status %d, %q for a token", status, body)
			}
			if token.Expires() && !token.Expiry.After(stubDate) {
				t.Errorf("the token was born expired, at %v", token.Expiry)
			}
			return
		}
		e, ok := err.(*oauth.Error) //nolint:errorlint // The promise is the type itself.
		if !ok {
			t.Fatalf("the error is a %T", err)
		}
		if status >= 500 && (e.Code != "" || !e.Unknown) {
			t.Errorf("status %d: the error is %+v", status, e)
		}
		for _, text := range []string{e.Error(), e.Description, string(e.Code), e.URI} {
			noSecrets(t, text)
			if strings.ContainsAny(text, "\r\n\x00\x1b") || !utf8.ValidString(text) || utf8.RuneCountInString(text) > 1000 {
				t.Errorf("the error holds %q", text)
			}
		}
	})
}

// FuzzHostFromURL: what is accepted is valid, and names itself.
func FuzzHostFromURL(f *testing.F) {
	for _, web := range []string{"", "https://github.com", "https://octo.ghe.com/", "http://[::1]:80/api/v3/", "https://a:443", "x"} {
		f.Add(web)
	}
	f.Fuzz(func(t *testing.T, web string) {
		host, err := oauth.HostFromURL(web)
		if err != nil {
			return
		}
		if err := host.Validate(); err != nil {
			t.Errorf("HostFromURL(%q) is %+v: %v", web, host, err)
		}
		again, err := oauth.HostFromURL(host.Web)
		if err != nil || again != host {
			t.Errorf("HostFromURL(%q) is %+v, and of that %+v, %v", web, host, again, err)
		}
		api, err := url.Parse(host.API)
		if err != nil || !host.IsAPI(api) {
			t.Errorf("%s is not an API of %+v", host.API, host)
		}
	})
}
