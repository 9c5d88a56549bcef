package githubtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

const (
	clientID = "Ov23liTestTestTest01"
	secret   = "0123456789abcdef0123456789abcdef01234567"
	callback = "http://127.0.0.1/callback"
)

// oauthApp is an OAuth App whose tokens expire; change edits it.
func oauthApp(change ...func(*githubtest.App)) githubtest.Option {
	a := githubtest.App{ClientID: clientID, Secrets: []string{secret}, Name: "Demo", Callbacks: []string{callback}}
	for _, c := range change {
		c(&a)
	}
	return githubtest.WithApp(a)
}

func gitHubApp(a *githubtest.App) { a.Kind = githubtest.GitHubApp }
func noExpiry(a *githubtest.App)  { a.NoExpiry = true }

// config is a client that isn't ours.
func config(gh *githubtest.Server, scopes ...string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: clientID, ClientSecret: secret, RedirectURL: callback, Scopes: scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: gh.URL() + "/login/oauth/authorize", TokenURL: gh.URL() + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// browser keeps cookies and stops at redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an answer that was read whole.
type reply struct {
	Status     string
	StatusCode int
	Header     http.Header
	Body       string
}

// send sends a request. location is where the answer redirects to, nil if it doesn't.
func send(t *testing.T, client *http.Client, req *http.Request) (r reply, location *url.URL) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, err = res.Location()
	if err != nil {
		location = nil
	}
	return reply{res.Status, res.StatusCode, res.Header, string(body)}, location
}

// request makes a request.
func request(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// get sends a GET.
func get(t *testing.T, client *http.Client, address string) (r reply, location *url.URL) {
	t.Helper()
	return send(t, client, request(t, http.MethodGet, address, ""))
}

// signIn goes through authorize as login without a page and returns the callback's query.
func signIn(t *testing.T, gh *githubtest.Server, login, authURL string) url.Values {
	t.Helper()
	gh.SignInAs(login)
	defer gh.SignInAs("")
	res, location := get(t, browser(t), authURL)
	if res.StatusCode != http.StatusFound || location == nil {
		t.Fatalf("authorize answered %s, want a redirect", res.Status)
	}
	return location.Query()
}

func basic(user, password string) string {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(user, password)
	return req.Header.Get("Authorization")
}

// oauthCode returns the error code of a failed token request, "" if there was no error.
func oauthCode(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var retrieve *oauth2.RetrieveError
	if !errors.As(err, &retrieve) {
		t.Fatalf("not an answer of the token endpoint: %v", err)
	}
	if retrieve.Response.StatusCode != http.StatusOK {
		t.Errorf("status %d, GitHub's errors have 200", retrieve.Response.StatusCode)
	}
	return retrieve.ErrorCode
}

// exchange signs in as octocat and exchanges the code.
func exchange(t *testing.T, gh *githubtest.Server, scopes ...string) (*oauth2.Token, error) {
	t.Helper()
	conf := config(gh, scopes...)
	return conf.Exchange(t.Context(), signIn(t, gh, "octocat", conf.AuthCodeURL("s")).Get("code"))
}

// refresh spends a refresh token.
func refresh(t *testing.T, gh *githubtest.Server, refreshToken string) (*oauth2.Token, error) {
	t.Helper()
	return config(gh).TokenSource(t.Context(), &oauth2.Token{RefreshToken: refreshToken}).Token()
}

// status asks for the user with a token and returns the answer's status.
func status(t *testing.T, gh *githubtest.Server, access string) int {
	t.Helper()
	return userStatus(t, http.DefaultClient, gh, access)
}

// contextWith lets x/oauth2 use a client.
func contextWith(t *testing.T, client *http.Client) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), oauth2.HTTPClient, client)
}

// userStatus is status through a client.
func userStatus(t *testing.T, client *http.Client, gh *githubtest.Server, access string) int {
	t.Helper()
	req := request(t, http.MethodGet, gh.APIURL()+"user", "")
	req.Header.Set("Authorization", "Bearer "+access)
	r, _ := send(t, client, req)
	return r.StatusCode
}
