package middleware_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

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
