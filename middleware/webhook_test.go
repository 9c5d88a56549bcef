package middleware_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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

// What is not signed is not believed, whatever it is. GitHub is not even asked.
func TestWebhookRefusesWhatItsSecretDidNotSign(t *testing.T) {
	t.Parallel()
	s, hook := hooked(t)
	b := s.browser(t)
	b.signIn()
	s.gh.RevokeUser(s.app.ClientID, 583231)
	good := signed(hookSecret, octocatRevoked)
	old := hmac.New(sha1.New, []byte(hookSecret))
	_, _ = io.WriteString(old, octocatRevoked)
	const name = "X-Hub-Signature-256"
	calls := len(s.gh.Calls())
	for what, change := range map[string]func(*http.Request){
		"none":         func(r *http.Request) { r.Header.Del(name) },
		"empty":        withHeader(name, ""),
		"prefix alone": withHeader(name, "sha256="),
		"SHA-1 alone": func(r *http.Request) {
			r.Header.Del(name)
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(old.Sum(nil)))
		},
		"SHA-1 in its place":  withHeader(name, "sha1="+hex.EncodeToString(old.Sum(nil))),
		"another secret's":    withHeader(name, signed("another", octocatRevoked)),
		"empty secret's":      withHeader(name, signed("", octocatRevoked)),
		"another body's":      withHeader(name, signed(hookSecret, octocatRevoked+" ")),
		"truncated":           withHeader(name, good[:len(good)-1]),
		"too long":            withHeader(name, good+"0"),
		"capitals":            withHeader(name, "sha256="+strings.ToUpper(good[7:])),
		"without its prefix":  withHeader(name, good[7:]),
		"another prefix":      withHeader(name, "sha512="+good[7:]),
		"one digit off":       withHeader(name, good[:70]+string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", good[70])+1)%16])),
		"two":                 withHeader(name, good, good),
		"good one comes last": withHeader(name, signed("another", octocatRevoked), good),
		"event is ignored":    func(r *http.Request) { r.Header.Del(name); r.Header.Set("X-GitHub-Event", "ping") },
	} {
		if w := deliver(hook, octocatRevoked, change); w.Code != http.StatusForbidden {
			t.Errorf("%s: answer %d %s", what, w.Code, w.Body)
		}
	}
	if n := len(s.gh.Calls()) - calls; n != 0 {
		t.Errorf("GitHub was asked %d times", n)
	}
	b.wantSignedIn("octocat")
	if n := strings.Count(s.log.String(), `"level":"WARN"`); n != 1 {
		t.Errorf("%d warnings, want 1: strangers must not fill the log", n)
	}
	if strings.Contains(s.log.String(), hookSecret) || strings.Contains(s.log.String(), good[7:]) {
		t.Error("the log holds the secret or a signature")
	}
}

func TestWebhookNeedsASecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := oauth.NewSecret(hookSecret)
	for _, secrets := range [][]oauth.Secret{
		{{}}, {oauth.NewSecret("")}, {oauth.NewSecret(" ")}, {oauth.NewSecret("secret\n")}, {good, {}}, {{}, good},
	} {
		if hook, err := s.auth.Webhook(secrets[0], secrets[1:]...); err == nil || hook != nil {
			t.Errorf("%d secrets, one of them empty or with a line break, are taken", len(secrets))
		}
	}
}

func TestWebhookTakesBothSecretsWhileOneIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hook, err := s.auth.Webhook(oauth.NewSecret("new"), oauth.NewSecret("old"))
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]int{"new": http.StatusNoContent, "old": http.StatusNoContent, "older": http.StatusForbidden} {
		if w := deliver(hook, octocatRevoked, withHeader("X-Hub-Signature-256", signed(secret, octocatRevoked))); w.Code != want {
			t.Errorf("signed with the %s secret: answer %d, want %d", secret, w.Code, want)
		}
	}
}

// Each is signed, so it comes from GitHub. Of those that say nothing of a revocation nothing follows.
func TestWebhookActsOnRevocationsAlone(t *testing.T) {
	t.Parallel()
	form := func(body string) string { return url.Values{"payload": {body}}.Encode() }
	asForm := withHeader("Content-Type", "application/x-www-form-urlencoded")
	sender := func(id string) string { return `{"action":"revoked","sender":{"id":` + id + `}}` }
	for name, tt := range map[string]struct {
		body    string
		change  func(*http.Request)
		status  int
		revokes bool
	}{
		"revocation":            {octocatRevoked, nil, 204, true},
		"as a form":             {form(octocatRevoked), asForm, 204, true},
		"with a charset":        {octocatRevoked, withHeader("Content-Type", "application/json; charset=utf-8"), 204, true},
		"ping":                  {`{"zen":"Design for failure."}`, withHeader("X-GitHub-Event", "ping"), 204, false},
		"another event":         {octocatRevoked, withHeader("X-GitHub-Event", "installation"), 204, false},
		"no event":              {octocatRevoked, withHeader("X-GitHub-Event"), 204, false},
		"another event, huge":   {strings.Repeat(" ", 20<<20), withHeader("X-GitHub-Event", "push"), 204, false},
		"beyond GitHub's limit": {strings.Repeat(" ", 25<<20+1), withHeader("X-GitHub-Event", "push"), 413, false},
		"huge revocation":       {octocatRevoked + strings.Repeat(" ", 256<<10), nil, 413, false},
		"another action":        {strings.Replace(octocatRevoked, "revoked", "created", 1), nil, 204, false},
		"no action":             {`{"sender":{"id":583231}}`, nil, 204, false},
		"id as text":            {sender(`"583231"`), nil, 400, false},
		"id as a fraction":      {sender("583231.0"), nil, 400, false},
		"id with an exponent":   {sender("583231e0"), nil, 400, false},
		"id below zero":         {sender("-583231"), nil, 400, false},
		"id zero":               {sender("0"), nil, 400, false},
		"id too large":          {sender("18446744073710134847"), nil, 400, false}, // 2⁶⁴ + 583231.
		"id null":               {sender("null"), nil, 400, false},
		"no sender":             {`{"action":"revoked"}`, nil, 400, false},
		"sender is a list":      {`{"action":"revoked","sender":[583231]}`, nil, 400, false},
		"no JSON":               {"revoked", nil, 400, false},
		"nothing":               {"", nil, 400, false},
		"two values":            {octocatRevoked + octocatRevoked, nil, 400, false},
		"form without payload":  {"a=b", asForm, 400, false},
		"form with two":         {form(octocatRevoked) + "&" + form(octocatRevoked), asForm, 400, false},
		"form that is none":     {"payload=%zz", asForm, 400, false},
		"JSON called a form":    {octocatRevoked, asForm, 400, false},
		"another content type":  {octocatRevoked, withHeader("Content-Type", "text/plain"), 415, false},
		"no content type":       {octocatRevoked, withHeader("Content-Type"), 415, false},
		"somebody unknown":      {sender("7"), nil, 204, false},
		"GET":                   {octocatRevoked, func(r *http.Request) { r.Method = http.MethodGet }, 405, false},
		"PUT":                   {octocatRevoked, func(r *http.Request) { r.Method = http.MethodPut }, 405, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, hook := hooked(t)
				b := s.browser(t)
				b.signIn()
				time.Sleep(time.Hour)
				s.gh.RevokeUser(s.app.ClientID, 583231) // So that whatever is believed shows.
				change := tt.change
				if change == nil {
					change = func(*http.Request) {}
				}
				if w := deliver(hook, tt.body, change); w.Code != tt.status {
					t.Errorf("answer %d %s, want %d", w.Code, w.Body, tt.status)
				}
				time.Sleep(time.Hour)
				if tt.revokes {
					b.wantSignedOut()
				} else {
					b.wantSignedIn("octocat")
				}
			})
		})
	}
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

// One byte a second must not hold a connection for as long as its sender likes. The server here sets no time-out.
func TestWebhookDoesNotWaitForABodyThatTrickles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ signature, status string }{
		"signed": {signed(hookSecret, ""), "HTTP/1.1 400"}, "unsigned": {"", "HTTP/1.1 403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, hook := hooked(t)
				here, there := net.Pipe()
				server := &http.Server{Handler: hook}
				go func() { _ = server.Serve(&oneConn{conn: there, closed: make(chan struct{})}) }()
				defer server.Close()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, err := fmt.Fprintf(here, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\nX-Hub-Signature-256: %s\r\n\r\n", 1000, tt.signature)
					for err == nil {
						time.Sleep(time.Second)
						_, err = here.Write([]byte(" "))
					}
				}()
				start := time.Now()
				answer := make([]byte, 1024)
				n, err := here.Read(answer)
				if took := time.Since(start); err != nil || took >= 10*time.Second || !strings.HasPrefix(string(answer[:n]), tt.status) {
					t.Errorf("%v, after %v: %q", err, took, answer[:n])
				}
				_ = here.Close()
				<-sent
			})
		})
	}
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	taken  atomic.Bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.taken.CompareAndSwap(false, true) {
		return l.conn, nil
	}
	<-l.closed
	return nil, errors.New("closed")
}

func (l *oneConn) Close() error {
	if l.taken.CompareAndSwap(true, true) {
		select {
		case <-l.closed:
		default:
			close(l.closed)
		}
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// FuzzWebhookBody: whatever is in a signed body, the handler answers, asks about nobody but the sender whom the payload
// names, and never with an error of its own.
func FuzzWebhookBody(f *testing.F) {
	for _, body := range []string{octocatRevoked, `{"action":"revoked","sender":{"id":1e3}}`, "payload=" + url.QueryEscape(octocatRevoked), "payload=%", `{"action":"revoked"`, "[]", "null", ""} {
		for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain", ""} {
			f.Add(contentType, "github_app_authorization", body)
			f.Add(contentType, "ping", body)
		}
	}
	gh := githubtest.New()
	f.Cleanup(gh.Close)
	app := gh.AddApp(githubtest.App{Callbacks: []string{origin + "/auth/github/callback"}})
	auth, err := middleware.New(middleware.Config{
		ClientID: app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(app.Secrets[0])}, RedirectURL: origin + "/auth/github/callback",
	}, memory.New(), middleware.WithHTTPClient(&http.Client{Transport: gh.Transport()}))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = auth.Close(context.Background()) })
	hook, err := auth.Webhook(oauth.NewSecret(hookSecret))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType, event, body string) {
		w := deliver(hook, body, withHeader("Content-Type", contentType), withHeader("X-GitHub-Event", event))
		switch w.Code {
		case http.StatusNoContent, http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge:
		case http.StatusServiceUnavailable: // Too many users within twenty seconds.
		default:
			t.Errorf("answer %d to %q", w.Code, body)
		}
		if w := deliver(hook, body, withHeader("X-Hub-Signature-256", signed("another", body)), withHeader("X-GitHub-Event", event)); w.Code != http.StatusForbidden {
			t.Errorf("unsigned: answer %d", w.Code)
		}
	})
}
