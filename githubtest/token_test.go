package githubtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestTokenEndpointRefusesWhatGitHubRefuses(t *testing.T) {
	t.Parallel()
	verifier := oauth2.GenerateVerifier()
	challenge := oauth2.S256ChallengeOption(verifier)
	for _, test := range []struct {
		name     string
		authOpts []oauth2.AuthCodeOption
		edit     func(*oauth2.Config)
		code     string // in place of the real one
		opts     []oauth2.AuthCodeOption
		want     string
	}{
		{name: "nothing"},
		{name: "nothing about PKCE", authOpts: []oauth2.AuthCodeOption{challenge}, opts: []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}},
		{name: "unknown code", code: "0123456789abcdef0123", want: "bad_verification_code"},
		{name: "wrong secret", edit: func(c *oauth2.Config) { c.ClientSecret = "wrong" }, want: "incorrect_client_credentials"},
		{name: "no secret", edit: func(c *oauth2.Config) { c.ClientSecret = "" }, want: "incorrect_client_credentials"},
		{name: "unknown client", edit: func(c *oauth2.Config) { c.ClientID = "other" }, want: "incorrect_client_credentials"},
		{name: "code of another app", edit: func(c *oauth2.Config) { c.ClientID = "Ov23liOtherOtherOthr" }, want: "bad_verification_code"},
		{name: "other redirect URI", edit: func(c *oauth2.Config) { c.RedirectURL += "/deeper" }, want: "redirect_uri_mismatch"},
		{name: "missing verifier", authOpts: []oauth2.AuthCodeOption{challenge}, want: "bad_verification_code"},
		{
			name: "wrong verifier", authOpts: []oauth2.AuthCodeOption{challenge},
			opts: []oauth2.AuthCodeOption{oauth2.VerifierOption(oauth2.GenerateVerifier())}, want: "bad_verification_code",
		},
		{
			name: "the challenge as verifier", authOpts: []oauth2.AuthCodeOption{challenge},
			opts: []oauth2.AuthCodeOption{oauth2.VerifierOption(oauth2.S256ChallengeFromVerifier(verifier))}, want: "bad_verification_code",
		},
		{
			name: "a verifier that is too short", want: "bad_verification_code",
			authOpts: []oauth2.AuthCodeOption{oauth2.S256ChallengeOption("short")},
			opts:     []oauth2.AuthCodeOption{oauth2.VerifierOption("short")},
		},
		{name: "a verifier that nobody announced", opts: []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}, want: "bad_verification_code"},
		{name: "grant type", opts: []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("grant_type", "password")}, want: "unsupported_grant_type"},
		{
			name: "device flow", want: "device_flow_disabled",
			opts: []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("grant_type", "urn:ietf:params:oauth:grant-type:device_code")},
		},
	} {
		t.Run("refuses "+test.name, func(t *testing.T) {
			t.Parallel()
			gh := githubtest.Start(t, oauthApp(), githubtest.WithApp(githubtest.App{
				ClientID: "Ov23liOtherOtherOthr", Secrets: []string{secret}, Callbacks: []string{callback},
			}))
			conf := config(gh)
			code := signIn(t, gh, "octocat", conf.AuthCodeURL("s", test.authOpts...)).Get("code")
			if test.code != "" {
				code = test.code
			}
			if test.edit != nil {
				test.edit(conf)
			}
			_, err := conf.Exchange(t.Context(), code, test.opts...)
			if got := oauthCode(t, err); got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
			last := gh.Calls()[len(gh.Calls())-1]
			if last.OAuthError != test.want || last.Status != http.StatusOK {
				t.Errorf("logged as %+v", last)
			}
		})
	}
}

func TestCodeWorksOnceAndForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gh := githubtest.New(oauthApp())
		defer gh.Close()
		gh.SignInAs("octocat")
		web := &http.Client{
			Transport:     gh.Transport(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		ctx := contextWith(t, web)
		conf := config(gh)
		code := func() string {
			_, location := get(t, web, conf.AuthCodeURL("s"))
			return location.Query().Get("code")
		}
		first := code()
		if _, err := conf.Exchange(ctx, first); err != nil {
			t.Fatal(err)
		}
		_, err := conf.Exchange(ctx, first)
		if got := oauthCode(t, err); got != "bad_verification_code" {
			t.Errorf("second use: %q", got)
		}
		young, old := code(), code()
		time.Sleep(10*time.Minute - time.Second)
		if _, err := conf.Exchange(ctx, young); err != nil {
			t.Errorf("after 9:59 minutes: %v", err)
		}
		time.Sleep(time.Second)
		_, err = conf.Exchange(ctx, old)
		if got := oauthCode(t, err); got != "bad_verification_code" {
			t.Errorf("after ten minutes: %q", got)
		}
	})
}

func TestWrongSecretSpendsNeitherCodeNorRefreshToken(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	conf, wrong := config(gh), config(gh)
	wrong.ClientSecret = "wrong"
	code := signIn(t, gh, "octocat", conf.AuthCodeURL("s")).Get("code")
	if _, err := wrong.Exchange(t.Context(), code); oauthCode(t, err) != "incorrect_client_credentials" {
		t.Fatal(err)
	}
	tok, err := conf.Exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tok.RefreshToken}).Token(); oauthCode(t, err) != "incorrect_client_credentials" {
		t.Fatal(err)
	}
	if _, err := refresh(t, gh, tok.RefreshToken); err != nil {
		t.Error(err)
	}
}

func TestSecretsCanBeRotated(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(func(a *githubtest.App) { a.Secrets = []string{"older", secret} }))
	if _, err := exchange(t, gh); err != nil {
		t.Errorf("second secret: %v", err)
	}
	gh.UpdateApp(clientID, func(a *githubtest.App) { a.Secrets = []string{"older"} })
	if _, err := exchange(t, gh); oauthCode(t, err) != "incorrect_client_credentials" {
		t.Errorf("removed secret: %v", err)
	}
}

func TestUnverifiedEmailCannotSignIn(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithUser(githubtest.User{Login: "octocat", EmailUnverified: true}))
	if _, err := exchange(t, gh); oauthCode(t, err) != "unverified_user_email" {
		t.Error(err)
	}
}

func TestAnswersInTheFormatThatAcceptAsksForAndTakesFormsJSONAndQueries(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	params := func() map[string]string {
		code := signIn(t, gh, "octocat", config(gh, "gist").AuthCodeURL("s")).Get("code")
		return map[string]string{"client_id": clientID, "client_secret": secret, "code": code}
	}
	encoded := func(p map[string]string) string {
		v := url.Values{}
		for name, value := range p {
			v.Set(name, value)
		}
		return v.Encode()
	}
	object := func(p map[string]string) string {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const form, jsonType = "application/x-www-form-urlencoded", "application/json"
	for _, test := range []struct{ name, contentType, query, body, accept, want string }{
		{"form for form", form, "", encoded(params()), "", form},
		{"form for JSON", jsonType, "", object(params()), "", form},
		{"form for anything", form, "", encoded(params()), "*/*", form},
		{"JSON for form", form, "", encoded(params()), jsonType, jsonType},
		{"JSON for JSON", jsonType + "; charset=utf-8", "", object(params()), jsonType, jsonType},
		{"form for query", form, encoded(params()), "", "", form},
	} {
		res := postQuery(t, gh, test.contentType, test.accept, test.query, test.body)
		if got, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); got != test.want {
			t.Errorf("%s: answered in %s", test.name, got)
		}
		if res.Header.Get("Date") == "" {
			t.Errorf("%s: no date", test.name)
		}
		if test.want == form {
			v, err := url.ParseQuery(res.Body)
			if err != nil || v.Get("token_type") != "bearer" || v.Get("expires_in") != "28800" || v.Get("scope") != "gist" {
				t.Errorf("%s: bad answer", test.name)
			}
			continue
		}
		var answer struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
		}
		if err := json.Unmarshal([]byte(res.Body), &answer); err != nil || answer.ExpiresIn != 28800 || answer.TokenType != "bearer" {
			t.Errorf("%s: bad answer, %v", test.name, err)
		}
	}
	res := post(t, gh, jsonType, "", "{")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("broken JSON: %d %q", res.StatusCode, res.Body)
	}
	res = post(t, gh, form, jsonType, "client_id=x&client_secret=y")
	var refused map[string]string
	if err := json.Unmarshal([]byte(res.Body), &refused); err != nil || refused["error"] == "" || refused["error_description"] == "" || refused["error_uri"] == "" {
		t.Errorf("error answer %q", res.Body)
	}
}

func TestTokenEndpointIsForPOSTWithoutCORS(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		req := request(t, method, gh.URL()+"/login/oauth/access_token", "")
		req.Header.Set("Origin", "http://127.0.0.1")
		res, _ := send(t, http.DefaultClient, req)
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %s, CORS %q", method, res.Status, res.Header.Get("Access-Control-Allow-Origin"))
		}
	}
}

func TestDeviceFlowIsOff(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	req := request(t, http.MethodPost, gh.URL()+"/login/device/code?client_id="+clientID, "")
	res, _ := send(t, http.DefaultClient, req)
	if v, err := url.ParseQuery(res.Body); err != nil || v.Get("error") != "device_flow_disabled" {
		t.Errorf("answer %q, %v", res.Body, err)
	}
}

func TestProbingClientsWithBasicHeaderWork(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	conf := config(gh)
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if _, err := conf.Exchange(t.Context(), signIn(t, gh, "octocat", conf.AuthCodeURL("s")).Get("code")); err != nil {
		t.Error(err)
	}
}

func TestOldEnterpriseServerIgnoresPKCE(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithoutPKCE())
	conf := config(gh)
	code := signIn(t, gh, "octocat", conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))).Get("code")
	if _, err := conf.Exchange(t.Context(), code); err != nil {
		t.Error(err)
	}
}

// post sends a body to the token endpoint.
func post(t *testing.T, gh *githubtest.Server, contentType, accept, body string) reply {
	t.Helper()
	return postQuery(t, gh, contentType, accept, "", body)
}

// postQuery sends a query with the body.
func postQuery(t *testing.T, gh *githubtest.Server, contentType, accept, query, body string) reply {
	t.Helper()
	req := request(t, http.MethodPost, gh.URL()+"/login/oauth/access_token?"+query, body)
	req.Header.Set("Content-Type", contentType)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	r, _ := send(t, http.DefaultClient, req)
	return r
}

func wantUserStatus(t *testing.T, client *http.Client, gh *githubtest.Server, access string, want int) {
	t.Helper()
	if got := userStatus(t, client, gh, access); got != want {
		t.Errorf("GET /user answers %d, want %d", got, want)
	}
}
