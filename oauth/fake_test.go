package oauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	clientID     = "Iv23liOctocatDemo"
	clientSecret = "client-secret-of-octocat"
	newSecret    = "second-client-secret"
	code         = "code-0123456789abcdef"
	accessToken  = "gho_access0123456789"
	refreshToken = "ghr_refresh0123456789"
)

var verifier = oauth.NewSecret("verifier-0123456789-0123456789-0123456789-x")

// held is a token as a program has it before a refresh.
func held() oauth.Token {
	return oauth.Token{
		AccessToken:  oauth.NewSecret(accessToken),
		RefreshToken: oauth.NewSecret(refreshToken),
		Scopes:       []string{"repo", "gist"},
	}
}

// call is one request that a fake GitHub got.
type call struct {
	method, path string
	header       http.Header
	form         url.Values // The body, if it was a form.
	body         string
}

// fake is a GitHub whose answers a test writes.
type fake struct {
	*httptest.Server

	mu    sync.Mutex
	calls []call
}

func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(f.record(answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) record(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		form, _ := url.ParseQuery(string(body))
		f.mu.Lock()
		f.calls = append(f.calls, call{r.Method, r.URL.RequestURI(), r.Header, form, string(body)})
		f.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}
}

func (f *fake) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// only returns the one call that was made.
func (f *fake) only(t *testing.T) call {
	t.Helper()
	calls := f.seen()
	if len(calls) != 1 {
		t.Fatalf("GitHub got %d requests, want 1: %v", len(calls), calls)
	}
	return calls[0]
}

// client returns a client of f.
func (f *fake) client(t *testing.T, opts ...oauth.Option) *oauth.Client {
	t.Helper()
	return newClient(t, f.URL, append([]oauth.Option{oauth.WithHTTPClient(f.Client())}, opts...)...)
}

func newClient(t *testing.T, web string, opts ...oauth.Option) *oauth.Client {
	t.Helper()
	client, err := oauth.New(config(t, web), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func config(t *testing.T, web string) oauth.Config {
	t.Helper()
	host, err := oauth.HostFromURL(web)
	if err != nil {
		t.Fatal(err)
	}
	return oauth.Config{
		Host:          host,
		ClientID:      clientID,
		ClientSecrets: []oauth.Secret{oauth.NewSecret(clientSecret)},
		RedirectURL:   "https://app.example/callback",
	}
}

// respond answers with a status, a content type and a body.
func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func respondJSON(status int, body string) http.HandlerFunc {
	return respond(status, "application/json; charset=utf-8", body)
}

func respondCode(code oauth.Code) http.HandlerFunc {
	return respondJSON(http.StatusOK, fmt.Sprintf(`{"error":%q,"error_description":"Some words."}`, code))
}

// roundTrip is a transport that never goes anywhere.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func through(f roundTrip) oauth.Option {
	return oauth.WithHTTPClient(&http.Client{Transport: f})
}

// stub answers every request with the same body, without a network.
func stub(status int, contentType, body string) oauth.Option {
	return through(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {contentType}, "Date": {"Tue, 02 Jan 2024 03:04:05 GMT"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	})
}

var stubDate = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

// asError returns err as the package's error of the given class.
func asError(t *testing.T, err, class error) *oauth.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of class %q", class)
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is a %T, want *oauth.Error", err, err)
	}
	if !errors.Is(err, class) {
		t.Fatalf("error %q has not the class %q", err, class)
	}
	for _, other := range []error{oauth.ErrStartAgain, oauth.ErrMisconfigured, oauth.ErrSignInAgain, oauth.ErrTryLater} {
		if !errors.Is(other, class) && errors.Is(err, other) {
			t.Errorf("error %q has the class %q too", err, other)
		}
	}
	noSecrets(t, err.Error())
	noSecrets(t, fmt.Sprintf("%+v %#v", e, *e))
	return e
}

// noSecrets fails the test if text holds anything that must not be seen.
func noSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{clientSecret, newSecret, code, accessToken, refreshToken, verifier.Reveal()} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows %q", text, secret)
		}
	}
}
