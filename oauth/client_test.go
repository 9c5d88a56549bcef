package oauth_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

func TestConfigReportsAllProblemsAtOnceAndNoSecret(t *testing.T) {
	t.Parallel()
	cfg := oauth.Config{
		Host:          oauth.Host{NoPKCE: true},
		ClientID:      "12345",
		ClientSecrets: []oauth.Secret{oauth.NewSecret(clientSecret + "\n"), {}},
		RedirectURL:   "http://app.example/callback",
	}
	_, err := oauth.New(cfg, oauth.WithTimeout(0), oauth.WithHTTPClient(nil))
	if err == nil {
		t.Fatal("no error")
	}
	noSecrets(t, err.Error())
	for _, want := range []string{
		"host: Web", "App ID", "client secret 1 of 2", "client secret 2 of 2", "redirect url", "timeout", "http client",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q says nothing about %s", err, want)
		}
	}
	err = oauth.Config{}.Validate()
	for _, want := range []string{"client id", "client secret", "redirect url"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the zero Config: %v says nothing about %s", err, want)
		}
	}
}

func TestRedirectURL(t *testing.T) {
	t.Parallel()
	cfg := config(t, "")
	for redirect, ok := range map[string]bool{
		"https://app.example/callback":      true,
		"https://app.example":               true,
		"https://app.example/callback?a=b":  true,
		"http://127.0.0.1:8080/callback":    true,
		"http://[::1]:8080/callback":        true,
		"http://localhost/callback":         true,
		"http://app.example/callback":       false,
		"https://u:pw@app.example/callback": false,
		"https://app.example/callback#top":  false,
		"https://app.example/callback#":     false,
		"/callback":                         false,
		"app.example/callback":              false,
		"myapp://callback":                  false,
		"javascript:alert(1)":               false,
		"":                                  false,
	} {
		cfg.RedirectURL = redirect
		err := cfg.Validate()
		if (err == nil) != ok {
			t.Errorf("redirect url %q: %v", redirect, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("redirect url %q: %q shows a password", redirect, err)
		}
	}
}

func TestZeroHostIsGitHub(t *testing.T) {
	t.Parallel()
	cfg := config(t, "")
	cfg.Host = oauth.Host{}
	client, err := oauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if client.Host() != oauth.GitHub() || client.ClientID() != clientID || client.RedirectURL() != cfg.RedirectURL {
		t.Errorf("the client is for %v, %s, %s", client.Host(), client.ClientID(), client.RedirectURL())
	}
}

func TestClientKeepsNoHoldOnWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	f := newFake(t, respondJSON(200, `{"access_token":"gho_new"}`))
	cfg := config(t, f.URL)
	hc := &http.Client{Timeout: time.Nanosecond}
	client, err := oauth.New(cfg, oauth.WithHTTPClient(hc))
	if err != nil {
		t.Fatal(err)
	}
	cfg.ClientSecrets[0] = oauth.NewSecret("other")
	if _, err := client.Exchange(t.Context(), code, verifier); err != nil {
		t.Fatalf("the http client's own timeout counts: %v", err)
	}
	if got := f.only(t).form.Get("client_secret"); got != clientSecret {
		t.Errorf("the caller's slice changed the client's secret to %q", got)
	}
	if hc.CheckRedirect != nil || hc.Transport != nil || hc.Timeout != time.Nanosecond {
		t.Error("the caller's http client was changed")
	}
}

func authorizeQuery(t *testing.T, client *oauth.Client, a oauth.Authorize) url.Values {
	t.Helper()
	got, err := client.AuthorizeURL(a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if base := client.Host().Web + "/login/oauth/authorize"; u.Scheme+"://"+u.Host+u.Path != base {
		t.Errorf("the address is %s, want %s", got, base)
	}
	noSecrets(t, got)
	q := u.Query()
	q.Del("response_type") // x/oauth2 adds it; GitHub doesn't document it.
	return q
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	// The verifier and challenge of RFC 7636, appendix B.
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	rfc := oauth.NewSecret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	least := url.Values{
		"client_id": {clientID}, "redirect_uri": {"https://app.example/callback"}, "state": {"s"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	client := newClient(t, "")
	for _, tt := range []struct {
		name string
		in   oauth.Authorize
		want url.Values // Besides least.
	}{
		{"least", oauth.Authorize{}, nil},
		{"scopes", oauth.Authorize{Scopes: []string{"repo", "read:org"}}, url.Values{"scope": {"repo read:org"}}},
		{"offline", oauth.Authorize{OfflineAccess: true}, url.Values{"scope": {"offline_access"}}},
		{"offline too", oauth.Authorize{Scopes: []string{"repo"}, OfflineAccess: true}, url.Values{"scope": {"repo offline_access"}}},
		{"login", oauth.Authorize{Login: "octo cat&x=y"}, url.Values{"login": {"octo cat&x=y"}}},
		{"no sign-up", oauth.Authorize{DisallowSignup: true}, url.Values{"allow_signup": {"false"}}},
		{"prompt", oauth.Authorize{Prompt: "select_account"}, url.Values{"prompt": {"select_account"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.in.State, tt.in.Verifier = "s", rfc
			got := authorizeQuery(t, client, tt.in)
			want := url.Values{}
			for _, values := range []url.Values{least, tt.want} {
				maps.Copy(want, values)
			}
			if got.Encode() != want.Encode() {
				t.Errorf("the query is\n%s, want\n%s", got.Encode(), want.Encode())
			}
		})
	}
}

func TestAuthorizeURLLeavesTheCallersScopesAlone(t *testing.T) {
	t.Parallel()
	all := []string{"repo", "gist"}
	authorizeQuery(t, newClient(t, ""), oauth.Authorize{State: "s", Verifier: verifier, Scopes: all[:1], OfflineAccess: true})
	if all[1] != "gist" {
		t.Errorf("the caller's second scope is now %s", all[1])
	}
}

func TestForgettingStateOrVerifierIsAnError(t *testing.T) {
	t.Parallel()
	client := newClient(t, "")
	for name, a := range map[string]oauth.Authorize{
		"no state":            {Verifier: verifier},
		"no verifier":         {State: "s"},
		"empty scope":         {State: "s", Verifier: verifier, Scopes: []string{""}},
		"two scopes in one":   {State: "s", Verifier: verifier, Scopes: []string{"repo gist"}},
		"scopes with a comma": {State: "s", Verifier: verifier, Scopes: []string{"repo,gist"}},
		"unknown prompt":      {State: "s", Verifier: verifier, Prompt: "none"},
	} {
		if got, err := client.AuthorizeURL(a); err == nil || got != "" {
			t.Errorf("%s: AuthorizeURL is %q, %v; want an error", name, got, err)
		}
	}
}

func TestHostThatRefusesPKCEGetsNone(t *testing.T) {
	t.Parallel()
	f := newFake(t, respondJSON(200, `{"access_token":"gho_new"}`))
	cfg := config(t, f.URL)
	cfg.Host.NoPKCE = true
	client, err := oauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []oauth.Secret{{}, verifier} {
		if q := authorizeQuery(t, client, oauth.Authorize{State: "s", Verifier: v}); q.Has("code_challenge") || q.Has("code_challenge_method") {
			t.Errorf("the query has a challenge: %s", q.Encode())
		}
		if _, err := client.Exchange(t.Context(), code, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range f.seen() {
		if call.form.Has("code_verifier") {
			t.Error("the exchange sent a verifier")
		}
	}
}

func TestStatesAndVerifiersDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		for _, s := range []string{oauth.NewState(), oauth.NewVerifier().Reveal()} {
			if len(s) != 43 || seen[s] || url.QueryEscape(s) != s {
				t.Fatalf("%q is not a new value of 43 characters for a URL", s)
			}
			seen[s] = true
		}
	}
}
