package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/ghlogin/ghlogin/internal/browserurl"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// canary stands in every part of a request that a visitor, or who sent them, may choose.
const canary = "c4n4ry"

// A page that repeats a part of its request is a page that somebody else writes on: script, or a convincing lie.
func TestProblemsRepeatNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	planted := url.Values{}
	for _, name := range []string{
		"state", "code", "error", "error_description", "error_uri", "installation_id", "return_to", "login", "prompt", "scope", "x", canary,
	} {
		planted.Set(name, `"><script>`+canary+`</script>`)
	}
	without := func(names ...string) string {
		q := maps.Clone(planted)
		for _, name := range names {
			q.Del(name)
		}
		return q.Encode()
	}
	headers := func(r *http.Request) {
		for _, name := range []string{"Referer", "User-Agent", "Origin", "X-Forwarded-Host", "X-Request-Id", "Accept-Language", "Authorization", "Sec-Fetch-Site", canary} {
			r.Header.Set(name, canary)
		}
		r.Header.Set("Cookie", s.attemptPrefix(t)+canary+"="+canary+"; "+canary+"="+canary)
	}
	begun := s.browser(t)
	withState := "&state=" + query(t, begun.begin("/auth/github/login"), "state")
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{http.MethodGet, "/auth/github/callback?" + without("installation_id"), 400},
		{http.MethodGet, "/auth/github/callback?" + without("installation_id", "state"), 400},
		{http.MethodGet, "/auth/github/callback?" + without("installation_id", "state", "code") + withState, 400},
		{http.MethodPost, "/auth/github/callback?" + planted.Encode(), 405},
		{canary, "/auth/github/callback?" + planted.Encode(), 405},
		{http.MethodPost, "/auth/github/login?" + planted.Encode(), 405},
		{http.MethodGet, "/auth/github/logout?" + planted.Encode(), 405},
		{http.MethodPost, "/auth/github/logout?" + planted.Encode(), 403},
		{http.MethodPost, "/me?" + planted.Encode(), 401},
		{http.MethodPost, "/me/" + canary, 200}, // The app's own page; it proves that the request gets there.
	} {
		for _, media := range []string{"text/html", "application/json"} {
			r := httptest.NewRequestWithContext(t.Context(), c.method, origin+c.target, nil)
			headers(r)
			r.Header.Set("Accept", media)
			if strings.Contains(c.target, withState) {
				for _, cookie := range begun.cookies("attempt") {
					r.AddCookie(cookie)
				}
			}
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("%s %.60s = %d, want %d", c.method, c.target, w.Code, c.status)
			}
			if answer := fmt.Sprint(w.Header()) + w.Body.String(); strings.Contains(strings.ToLower(answer), canary) || strings.Contains(answer, "<script") {
				t.Errorf("%s %.60s as %s repeats the request: %s", c.method, c.target, media, answer)
			}
		}
	}
}

// attemptPrefix is what the names of attempts' cookies begin with.
func (s *site) attemptPrefix(t *testing.T) string {
	t.Helper()
	b := s.browser(t)
	b.begin("/auth/github/login")
	name := b.cookies("attempt")[0].Name
	return name[:strings.LastIndexByte(name, '-')+1]
}

// Over a real connection, since what is on the wire counts: one request gives one answer with the headers that we set.
func TestNothingInARequestAddsAHeader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	for _, text := range []string{
		"\r\nX-Evil: 1", "\nX-Evil: 1", "\r\n\r\nX-Evil: 1", "\r\nSet-Cookie: evil=1", "\u560d\u560aX-Evil: 1", "\x00X-Evil: 1", "\u2028X-Evil: 1",
	} {
		value := url.QueryEscape(text)
		for _, target := range []string{
			"/auth/github/login?return_to=/" + value, "/auth/github/login?return_to=" + value, "/auth/github/login?login=" + value, "/auth/github/login?prompt=" + value + "&scope=" + value,
			"/auth/github/callback?state=" + value + "&code=" + value, "/auth/github/callback?setup_action=x&installation_id=" + value,
			"/auth/github/callback?error=" + value, "/auth/github/logout?" + value, "/me?" + value, "/me" + url.PathEscape(text),
		} {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n", target)
			answer, err := io.ReadAll(bufio.NewReader(conn))
			_ = conn.Close()
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(answer), "\r\n\r\n")
			for line := range strings.SplitSeq(head, "\n") {
				if strings.HasPrefix(line, "X-Evil") || strings.HasPrefix(line, "Set-Cookie: evil") {
					t.Errorf("GET %s is answered with %q", target, line)
				}
			}
			if !strings.HasPrefix(head, "HTTP/1.1 ") || strings.Count(string(answer), "HTTP/1.1 ") != 1 {
				t.Errorf("GET %s is answered with %q", target, answer)
			}
		}
	}
}

// maxForm is more than any form of ours: what a route may read of a body.
const maxForm = 32 << 10

// The body of a request is read as far as a form of ours may go, and where there is none not at all.
func TestBodiesAreReadNoFurtherThanAFormGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	for _, c := range []struct {
		method, target string
		most           int64
	}{
		{http.MethodPost, "/auth/github/logout", maxForm},
		{http.MethodPut, "/auth/github/logout", 0},
		{http.MethodGet, "/auth/github/login", 0},
		{http.MethodPost, "/auth/github/login", 0},
		{http.MethodGet, "/auth/github/callback?state=x", 0},
		{http.MethodPost, "/auth/github/callback", 0},
		{http.MethodPost, "/me", 0},
	} {
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"} {
			body := new(endlessBody)
			b.still(func() page {
				return b.do(c.method, c.target, func(r *http.Request) {
					r.Body, r.ContentLength = body, 1<<50
					r.Header.Set("Content-Type", kind)
				})
			})
			if n := body.read.Load(); n > c.most {
				t.Errorf("%s %s read %d bytes of %s", c.method, c.target, n, kind)
			}
		}
	}
}

// endlessBody counts what is read of it.
type endlessBody struct{ read atomic.Int64 }

func (e *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func (e *endlessBody) Close() error { return nil }

// The same over a connection: the answer to a sign-out comes though the end of its body never does.
func TestSignOutIsAnsweredBeforeTheEndOfItsBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.signIn()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	session := b.sessionCookies()[0]
	_, err = fmt.Fprintf(conn, "POST /auth/github/logout HTTP/1.1\r\nHost: app.example\r\nCookie: %s=%s\r\nContent-Length: 9999999999999\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\n\r\n%s", session.Name, session.Value, strings.Repeat("x", maxForm))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("the sign-out = %d", resp.StatusCode)
	}
	b.wantSignedOut()
}

// A form that never ends keeps neither the connection nor whoever is to be signed out, nor does a body that is no form, or goes
// on behind one: the server reads on for as long as there is more to come.
func TestSignOutDoesNotWaitForAFormThatTrickles(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]string{
		"a form":         "Content-Type: application/x-www-form-urlencoded\r\n\r\n",
		"no form":        "Content-Type: text/plain\r\n\r\n",
		"without a type": "\r\n",
		"behind a form": "Content-Type: multipart/form-data; boundary=b\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"return_to\"\r\n\r\n/\r\n--b--\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				b := s.browser(t)
				b.signIn()
				session := b.sessionCookies()[0]
				here, there := net.Pipe()
				server := &http.Server{Handler: s.handler}
				go func() { _ = server.Serve(&oneConn{conn: there, closed: make(chan struct{})}) }()
				defer server.Close()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, err := fmt.Fprintf(here, "POST /auth/github/logout HTTP/1.1\r\nHost: app.example\r\nCookie: %s=%s\r\nContent-Length: 1000\r\n%s",
						session.Name, session.Value, start)
					for err == nil {
						time.Sleep(time.Second)
						_, err = here.Write([]byte("x"))
					}
				}()
				begun := time.Now()
				answer := make([]byte, 1024)
				n, err := here.Read(answer)
				if took := time.Since(begun); err != nil || took >= 10*time.Second || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 204") {
					t.Errorf("%v, after %v: %.40q", err, took, answer[:n])
				}
				_ = here.Close()
				<-sent
				b.wantSignedOut()
			})
		})
	}
}

// countingStore counts what is asked of it.
type countingStore struct {
	store.Store
	ops atomic.Int64
}

func (c *countingStore) Get(ctx context.Context, key string) (store.Entry, error) {
	c.ops.Add(1)
	return c.Store.Get(ctx, key)
}

func (c *countingStore) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	c.ops.Add(1)
	return c.Store.Put(ctx, key, e)
}

type countingSessions struct {
	*memstore.MemStore
	ops atomic.Int64
}

func (c *countingSessions) Find(token string) ([]byte, bool, error) {
	c.ops.Add(1)
	return c.MemStore.Find(token)
}

func (c *countingSessions) Commit(token string, b []byte, expiry time.Time) error {
	c.ops.Add(1)
	return c.MemStore.Commit(token, b, expiry)
}

// A flood of sign-ins that nobody finishes leaves nothing behind: no session, no grant, no memory, no call to GitHub.
//
//nolint:paralleltest // It measures the heap.
func TestFloodOfSignInsStoresNothing(t *testing.T) {
	grants := &countingStore{Store: memory.New()}
	sessions := &countingSessions{MemStore: memstore.NewWithCleanupInterval(0)}
	sm := scs.New()
	sm.Store, sm.Cookie.Secure = sessions, true
	s := newSite(t, withStore(grants), withOptions(middleware.WithSessionManager(sm)))
	flood := func(n int) {
		for i := range n {
			w := s.raw(t.Context(), http.MethodGet, fmt.Sprintf("%s/auth/github/login?return_to=/%d", origin, i), nil)
			if w.Code != http.StatusFound {
				t.Fatalf("GET login = %d", w.Code)
			}
			w = s.raw(t.Context(), http.MethodGet, fmt.Sprintf("%s/auth/github/callback?state=made-up-%d&code=x", origin, i), w.Result().Cookies())
			if w.Code != http.StatusBadRequest {
				t.Fatalf("GET callback = %d", w.Code)
			}
			s.log.reset()
		}
	}
	flood(100)
	before := heap()
	flood(10_000)
	if after := heap(); after > before+1<<20 {
		t.Errorf("20,000 requests left %d bytes behind", after-before)
	}
	if n := grants.ops.Load(); n != 0 {
		t.Errorf("the grants' store was asked %d times", n)
	}
	if n := sessions.ops.Load(); n != 0 {
		t.Errorf("the session store was asked %d times", n)
	}
	if calls := s.gh.Calls(); len(calls) != 0 {
		t.Errorf("GitHub was called %d times, first by %s %s", len(calls), calls[0].Method, calls[0].Path)
	}
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Nor do strangers cost the store anything, whatever cookies they make up.
func TestMadeUpSessionsCostTheStoreNothing(t *testing.T) {
	t.Parallel()
	grants := &countingStore{Store: memory.New()}
	s := newSite(t, withStore(grants), withOptions(middleware.WithCookieSessions(cookieKey("k"))))
	b := s.browser(t)
	b.signIn()
	name := b.sessionCookie().Name
	grants.ops.Store(0)
	for i := range 200 {
		made := []*http.Cookie{{Name: name, Value: strings.Repeat("A", i)}, {Name: name, Value: fmt.Sprintf("583231.%d", i)}}
		if w := s.raw(t.Context(), http.MethodGet, origin+"/me", made); w.Code != http.StatusFound {
			t.Fatalf("GET /me = %d", w.Code)
		}
	}
	if n := grants.ops.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

// A cookie that was sealed for a week is opened after it too, by who keeps cookies longer than they were told.
func TestSealedSessionThatRanOutCostsTheStoreNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		grants := &countingStore{Store: memory.New()}
		s := newSite(t, withStore(grants), withOptions(middleware.WithCookieSessions(cookieKey("k"))))
		b := s.browser(t)
		b.signIn()
		kept := b.sessionCookie()
		time.Sleep(middleware.DefaultSessionLifetime)
		grants.ops.Store(0)
		if w := s.raw(t.Context(), http.MethodGet, origin+"/me", []*http.Cookie{kept}); w.Code != http.StatusFound {
			t.Errorf("GET /me = %d", w.Code)
		}
		if n := grants.ops.Load(); n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
	})
}

// A form can only GET and POST, so some frameworks read another method from a header or a field.
func TestAMethodInDisguiseSignsNobodyOut(t *testing.T) {
	t.Parallel()
	b := newSite(t).browser(t)
	b.signIn()
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if p := b.do(http.MethodGet, "/auth/github/logout?_method=POST", header(name, "POST")); p.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET logout with %s = %d", name, p.StatusCode)
		}
	}
	b.wantSignedIn("octocat")
}

// Hostile paths through whole sign-ins: one in three, since TestNoHostileReturnPathLeadsAway tries them all.
func TestNoSignInEndsElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	for i, raw := range browserurl.Hostile() {
		if i%3 != 0 {
			continue
		}
		callback := b.begin("/auth/github/login?" + url.Values{"return_to": {raw}}.Encode())
		location := b.still(func() page { return b.get(callback) }).Header.Get("Location")
		at := browserurl.Resolve("app.example", "/auth/github/callback", location)
		if at.Scheme != "https" || at.Site != "app.example" || strings.HasPrefix(at.Path, "//") || strings.HasPrefix(at.Path, "/auth/github/log") {
			t.Errorf("return_to=%.80q ends at %q", raw, location)
		}
	}
}
