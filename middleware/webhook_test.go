package middleware_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

const hookSecret = "It's a Secret to Everybody"

const octocatRevoked = `{"action":"revoked","sender":{"login":"octocat","id":583231,"type":"User"}}`

// signed is what GitHub would sign a body with.
func signed(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// hooked is a site that takes webhooks.
func hooked(t *testing.T, opts ...siteOption) (*site, http.Handler) {
	t.Helper()
	s := newSite(t, append([]siteOption{withApp(githubtest.App{Kind: githubtest.GitHubApp})}, opts...)...)
	hook, err := s.auth.Webhook(oauth.NewSecret(hookSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s, hook
}

// deliver sends a signed revocation, changed, and returns the answer.
func deliver(hook http.Handler, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, origin+"/webhooks/github", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "github_app_authorization")
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-Hub-Signature-256", signed(hookSecret, body))
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, r)
	return w
}

func withHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func TestWebhookSignsOutEverywhereWhoRevokedTheApp(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]siteOption{
		"by default": withConfig(func(*middleware.Config) {}),
		"KeepTokens": withConfig(func(c *middleware.Config) { c.KeepTokens = true }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var forgotten atomic.Int64
				s, hook := hooked(t, opt, withOptions(middleware.WithObserver(func(_ context.Context, e grant.Event) {
					if e.Kind == grant.EventForgotten && e.Reason == grant.ReasonRevoked {
						forgotten.Add(e.UserID)
					}
				})))
				laptop, phone := s.browser(t), s.browser(t)
				laptop.signIn()
				phone.signIn()
				time.Sleep(time.Hour)
				s.gh.RevokeUser(s.app.ClientID, 583231)
				if w := deliver(hook, octocatRevoked); w.Code != http.StatusNoContent {
					t.Errorf("answer %d %s", w.Code, w.Body)
				}
				laptop.wantSignedOut()
				phone.wantSignedOut()
				if forgotten.Load() != 583231 {
					t.Error("no event tells of it")
				}
			})
		})
	}
}

// GitHub's own delivery, over HTTP, on a mux of a whole site; and the same one again, when the user is back.
func TestWebhookTakesWhatGitHubDelivers(t *testing.T) {
	t.Parallel()
	s, hook := hooked(t)
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", hook)
	mux.Handle("/", s.handler)
	server := httptest.NewServer(new(http.CrossOriginProtection).Handler(s.auth.Middleware(mux)))
	defer server.Close()
	s.gh.UpdateApp(s.app.ClientID, func(a *githubtest.App) { a.WebhookURL, a.WebhookSecret = server.URL+"/webhooks/github", hookSecret })
	b := s.browser(t)
	b.signIn()

	s.gh.RevokeUser(s.app.ClientID, 583231)
	b.wantSignedOut()
	b.signIn()
	first := s.gh.Deliveries()[0]
	s.gh.Redeliver(first.ID)
	b.wantSignedIn("octocat")
	for _, d := range s.gh.Deliveries() {
		if d.Status != http.StatusNoContent {
			t.Errorf("delivery %+v", d)
		}
	}
	if log := s.log.String(); !strings.Contains(log, first.ID) {
		t.Error("the log does not name the delivery")
	}

	s.gh.UpdateApp(s.app.ClientID, func(a *githubtest.App) { a.WebhookSecret = "another" })
	s.gh.RevokeUser(s.app.ClientID, 583231)
	if d := s.gh.Deliveries()[2]; d.Status != http.StatusForbidden {
		t.Errorf("signed with another secret: %+v", d)
	}
	b.wantSignedIn("octocat") // Nobody has told, and the start page does not call GitHub.
}

// GitHub gives ten seconds. What can't be found out in them is found out when that is back.
func TestWebhookAnswersInTimeAndActsWhenItCan(t *testing.T) {
	t.Parallel()
	isCheck := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/applications/") }
	for name, hang := range map[string]bool{"GitHub": true, "store": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &hangingStore{Store: memory.New()}
				s, hook := hooked(t, withStore(st))
				b := s.browser(t)
				b.signIn()
				time.Sleep(time.Hour)
				s.gh.RevokeUser(s.app.ClientID, 583231)
				mend := func() { st.hangs.Store(false) }
				if hang {
					mend = s.gh.Inject(githubtest.Fault{Match: isCheck, Hang: true})
				} else {
					st.hangs.Store(true)
				}
				start := time.Now()
				w := deliver(hook, octocatRevoked)
				if took := time.Since(start); w.Code != http.StatusAccepted || took >= 10*time.Second {
					t.Errorf("answer %d after %v", w.Code, took)
				}
				mend()
				time.Sleep(10 * time.Minute)
				b.wantSignedOut()
			})
		})
	}
}

// hangingStore answers nothing while it hangs.
type hangingStore struct {
	store.Store
	hangs atomic.Bool
}

func (s *hangingStore) Get(ctx context.Context, key string) (store.Entry, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return store.Entry{}, ctx.Err()
	}
	return s.Store.Get(ctx, key)
}

// A replica that stops takes no more, and says so, so that the delivery counts as failed.
func TestWebhookOfAClosedServerSaysSo(t *testing.T) {
	t.Parallel()
	s, hook := hooked(t)
	if err := s.auth.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := deliver(hook, octocatRevoked); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
}

// The replica that the delivery reaches is not the one that the browser is at.
func TestWebhookAtOneReplicaCountsAtTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &hangingStore{Store: memory.New()}
		s, _ := hooked(t, withStore(st))
		other, err := middleware.New(s.cfg, st, middleware.WithHTTPClient(&http.Client{Transport: s.gh.Transport()}))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
		hook, err := other.Webhook(oauth.NewSecret(hookSecret))
		if err != nil {
			t.Fatal(err)
		}
		b := s.browser(t)
		b.signIn()
		time.Sleep(time.Hour)
		b.wantSignedIn("octocat")
		s.gh.RevokeUser(s.app.ClientID, 583231)
		if w := deliver(hook, octocatRevoked); w.Code != http.StatusNoContent {
			t.Errorf("answer %d", w.Code)
		}
		time.Sleep(10 * time.Second)
		b.wantSignedOut()
	})
}
