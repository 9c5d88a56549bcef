package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/githubtest"
)

// ask is one request to refresh a token, as the fake GitHub got it.
type ask struct {
	Replica      string // Who asked.
	Token        string // The refresh token's fingerprint,
	Next         string // and that of the one it was answered with.
	Began, Ended time.Time
	Lost         bool   // An injected fault kept the answer back after the work was done.
	Result       string // "pair", GitHub's error code, a status, or "cut".
}

// rotated says whether GitHub carried the refresh out.
func (a *ask) rotated() bool { return a.Result == "pair" || a.Lost }

// front stands before the fake GitHub, and remembers every refresh and how many API calls met a dead token.
type front struct {
	gh  *githubtest.Server
	url string

	api, dead atomic.Int64 // Calls, and those of them that were answered with 401.

	mu    sync.Mutex
	asks  []*ask
	aimed func(replica string) // Called when a refresh was carried out, before its answer leaves.
}

func newFront(t *testing.T, gh *githubtest.Server) *front {
	t.Helper()
	f := &front{gh: gh}
	server := httptest.NewServer(f)
	t.Cleanup(func() { gh.Close(); server.CloseClientConnections(); server.Close() }) // What hangs ends with gh.
	f.url = server.URL
	return f
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &answer{ResponseWriter: w}
	if !strings.HasSuffix(r.URL.Path, "/login/oauth/access_token") {
		f.gh.ServeHTTP(seen, r)
		if isCall(r) {
			f.api.Add(1)
			if seen.status == http.StatusUnauthorized {
				f.dead.Add(1)
			}
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("grant_type") != "refresh_token" {
		f.gh.ServeHTTP(seen, r)
		return
	}
	a := &ask{
		Replica: r.Header.Get("X-Chaos-Replica"), Token: chaos.Fingerprint(form.Get("refresh_token")),
		Began: time.Now(), Result: "cut",
	}
	f.mu.Lock()
	f.asks = append(f.asks, a)
	f.mu.Unlock()
	defer func() { // Also where the fake cuts the connection by a panic.
		f.mu.Lock()
		defer f.mu.Unlock()
		a.Ended = time.Now()
		if seen.status != 0 {
			a.Result, a.Next = seen.result()
		}
		if a.rotated() && f.aimed != nil {
			f.aimed(a.Replica)
		}
	}()
	f.gh.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), askKey{}, a)))
}

// isCall says whether a request is a caller's call to the API.
func isCall(r *http.Request) bool { return r.URL.Path == "/api/v3/user" }

type askKey struct{}

// matchLost matches refreshes, for a fault that loses the answers of n of them, and notes whose.
func (f *front) matchLost(n int) func(*http.Request) bool {
	return func(r *http.Request) bool {
		a, ok := r.Context().Value(askKey{}).(*ask)
		if !ok {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if n == 0 || !f.liveLocked(a.Token) {
			return false
		}
		n--
		a.Lost = true
		return true
	}
}

// aim has f called with who asked, each time that a refresh was carried out; nil ends that.
func (f *front) aim(at func(replica string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aimed = at
}

// live says whether no refresh has spent the token yet.
func (f *front) live(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.liveLocked(token)
}

// liveLocked is live; f.mu is held.
func (f *front) liveLocked(token string) bool {
	for _, a := range f.asks {
		if a.Token == token && a.rotated() {
			return false
		}
	}
	return true
}

// refreshes returns every refresh that was asked for, in order. The last ones may still be under way.
func (f *front) refreshes() []ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]ask, len(f.asks))
	for i, a := range f.asks {
		all[i] = *a
	}
	return all
}

// count returns how many refreshes were asked for.
func (f *front) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asks)
}

// answer keeps what is answered; a token's answer is short.
type answer struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.body.Write(p)
	return a.ResponseWriter.Write(p)
}

// result reads a token answer in either of the forms that the fake has.
func (a *answer) result() (result, next string) {
	var v struct {
		Error        string `json:"error"`
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(a.body.Bytes(), &v) != nil {
		form, _ := url.ParseQuery(a.body.String())
		v.Error, v.RefreshToken = form.Get("error"), form.Get("refresh_token")
	}
	switch {
	case v.RefreshToken != "":
		return "pair", chaos.Fingerprint(v.RefreshToken)
	case v.Error != "":
		return v.Error, ""
	}
	return http.StatusText(a.status), ""
}
