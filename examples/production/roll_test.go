package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
)

const users = 12

// visitor is a browser whose user signed in.
type visitor struct {
	client *http.Client
	base   string
	login  string
}

// visit opens a page and follows redirects, and returns what it ends with.
func (v *visitor) visit(ctx context.Context, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept", "text/html")
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// crowd signs users in, one browser each.
func (w *world) crowd(t *testing.T) []*visitor {
	t.Helper()
	var all []*visitor
	for i := range users {
		login := fmt.Sprintf("user-%d", i)
		w.gh.AddUser(githubtest.User{ID: int64(1000 + i), Login: login})
		w.gh.SignInAs(login)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		v := &visitor{client: &http.Client{Jar: jar, Timeout: time.Minute}, base: w.balancer.url, login: login}
		if status, body, err := v.visit(t.Context(), "/repos"); err != nil || status != http.StatusOK || !strings.Contains(body, login) {
			t.Fatalf("the sign-in of %s ends with %d, %v: %.300s", login, status, err, body)
		}
		all = append(all, v)
	}
	// From here on a sign-in would be a sign-out's: browsers don't go to GitHub by themselves any more.
	for _, v := range all {
		v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return all
}

// load has all visitors ask for their page again and again until ctx ends, and counts.
func load(ctx context.Context, all []*visitor) (requests, failures, signOuts int64, first string) {
	var (
		wg                   sync.WaitGroup
		asked, failed, ended atomic.Int64
		once                 sync.Once
	)
	for _, v := range all {
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					status, body, err := v.visit(context.WithoutCancel(ctx), "/repos")
					asked.Add(1)
					if err == nil && status == http.StatusOK && strings.Contains(body, v.login) {
						continue
					}
					failed.Add(1)
					if status == http.StatusFound {
						ended.Add(1)
					}
					once.Do(func() { first = fmt.Sprintf("%s got %d, %v: %.300s", v.login, status, err, body) })
				}
			})
		}
	}
	wg.Wait()
	return asked.Load(), failed.Load(), ended.Load(), first
}

// Two replicas are replaced one by one while everybody goes on working, and tokens that live for seconds are refreshed all
// the time.
func TestRollingUpdateUnderLoadFailsNoRequestAndSignsNobodyOut(t *testing.T) {
	t.Parallel()
	for _, sessions := range []string{"redis", "cookie"} {
		t.Run(sessions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sessions)
			one, two := w.start(t), w.start(t)
			w.balancer.use(one, two)
			all := w.crowd(t)

			watching, endWatch := context.WithCancel(t.Context())
			defer endWatch()
			go w.balancer.watch(watching)
			loading, endLoad := context.WithCancel(t.Context())
			type result struct {
				requests, failures, signOuts int64
				first                        string
			}
			results := make(chan result, 1)
			go func() {
				var r result
				r.requests, r.failures, r.signOuts, r.first = load(loading, all)
				results <- r
			}()

			for _, old := range []*replica{one, two} {
				pass(t, 6*time.Second)
				fresh := w.start(t)
				w.balancer.mu.Lock()
				w.balancer.replicas = append(w.balancer.replicas, fresh)
				w.balancer.mu.Unlock()
				if status := old.stop(t); status != 0 {
					t.Errorf("a replica ended with status %d:\n%s", status, old.log.String())
				}
			}
			pass(t, 6*time.Second)
			endLoad()
			r := <-results
			refreshes := w.gh.TokenRequests("refresh_token")
			t.Logf("%d requests, %d failures, %d sign-outs, %d refreshes while 2 replicas were replaced", r.requests, r.failures, r.signOuts, refreshes)
			if r.failures != 0 || r.signOuts != 0 {
				t.Errorf("the first failure: %s", r.first)
			}
			if r.requests < 100 || refreshes < users {
				t.Errorf("too little happened for this to show anything")
			}
			for _, secret := range w.gh.Secrets() {
				if strings.Contains(one.log.String()+two.log.String(), secret) {
					t.Error("a log holds a secret")
				}
			}
		})
	}
}

// pass lets real time go by, for tokens to run out.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
