package middleware_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
)

// etags is the least of a cache: the last answer to each address, asked for again with its ETag.
type etags struct {
	next http.RoundTripper

	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	etag string
	resp *http.Response
	body []byte
}

func (e *etags) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	address := r.URL.String()
	have, ok := e.kept[address]
	if ok {
		r = r.Clone(r.Context())
		r.Header.Set("If-None-Match", have.etag)
	}
	resp, err := e.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotModified && ok {
		_ = resp.Body.Close()
		again := *have.resp
		again.Body = io.NopCloser(bytes.NewReader(have.body))
		return &again, nil
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if etag := resp.Header.Get("ETag"); etag != "" && resp.StatusCode == http.StatusOK {
		e.kept[address] = kept{etag, resp, body}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// A page that is asked for again costs none of the user's rate limit, and nobody sees another user's answers.
func TestCacheAboveTheTokenSavesTheRateLimitAndIsNoOtherUsers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	made := make(map[int64]int)
	s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}), withOptions(middleware.WithUserTransport(
		func(userID int64, next http.RoundTripper) http.RoundTripper {
			mu.Lock()
			defer mu.Unlock()
			made[userID]++
			return &etags{next: next, kept: make(map[string]kept)}
		})))
	remaining := func(b *browser) (left string) {
		handler := s.auth.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			client, _ := middleware.HTTPClientFromContext(r.Context())
			resp, err := client.Get(s.auth.Manager().Host().API + "rate_limit")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			left = resp.Header.Get("X-RateLimit-Remaining")
		}))
		before := s.handler
		s.handler = handler
		defer func() { s.handler = before }()
		b.get("/")
		return left
	}
	first, second := s.browser(t), s.browser(t)
	first.signIn()
	s.gh.SignInAs("hubot")
	second.get("/auth/github/login")
	if p := first.get("/me"); !strings.Contains(p.body, "you are octocat") {
		t.Fatal(p.body)
	}
	before := remaining(first)
	for range 5 {
		if p := first.get("/me"); !strings.Contains(p.body, "you are octocat") {
			t.Errorf("from the cache: %s", p.body)
		}
		if p := second.get("/me"); !strings.Contains(p.body, "you are hubot") {
			t.Errorf("the other user sees: %s", p.body)
		}
	}
	if after := remaining(first); before == "" || after != before {
		t.Errorf("five pages cost the rate limit: %s left, then %s", before, after)
	}
	if fmt.Sprint(made) != "map[480938:1 583231:1]" {
		t.Errorf("transports made: %v", made)
	}
}
