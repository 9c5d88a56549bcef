package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

const origin = "https://app.example"

// site is a web app with sign-in, and the GitHub that it signs in at. Neither uses a socket, so
// tests can run in a synctest bubble; a browser reaches both by their names.
type site struct {
	gh      *githubtest.Server
	app     githubtest.App
	cfg     middleware.Config
	auth    *middleware.Authenticator
	handler http.Handler
	log     *logBuffer
}

type siteOption func(*siteOptions)

type siteOptions struct {
	app     githubtest.App
	cfg     middleware.Config
	store   store.Store
	options []middleware.Option
	wrap    func(*middleware.Authenticator, http.Handler) http.Handler
}

func withApp(a githubtest.App) siteOption { return func(o *siteOptions) { o.app = a } }
func withStore(s store.Store) siteOption  { return func(o *siteOptions) { o.store = s } }
func withConfig(change func(*middleware.Config)) siteOption {
	return func(o *siteOptions) { change(&o.cfg) }
}

func withOptions(opts ...middleware.Option) siteOption {
	return func(o *siteOptions) { o.options = append(o.options, opts...) }
}

// withWrap replaces auth.Middleware(mux) as what the site serves.
func withWrap(wrap func(*middleware.Authenticator, http.Handler) http.Handler) siteOption {
	return func(o *siteOptions) { o.wrap = wrap }
}

func newSite(t *testing.T, opts ...siteOption) *site {
	t.Helper()
	o := siteOptions{
		cfg:   middleware.Config{RedirectURL: origin + "/auth/github/callback"},
		store: memory.New(),
		wrap:  func(a *middleware.Authenticator, h http.Handler) http.Handler { return a.Middleware(h) },
	}
	for _, opt := range opts {
		opt(&o)
	}
	s := &site{gh: githubtest.New(), log: new(logBuffer)}
	t.Cleanup(s.gh.Close)
	s.gh.AddUser(githubtest.User{ID: 583231, Login: "octocat", Name: "The Octocat"})
	o.app.Callbacks = []string{o.cfg.RedirectURL}
	s.app = s.gh.AddApp(o.app)
	if o.cfg.ClientID == "" {
		o.cfg.ClientID = s.app.ClientID
	}
	if o.cfg.ClientSecrets == nil {
		o.cfg.ClientSecrets = []oauth.Secret{oauth.NewSecret(s.app.Secrets[0])}
	}
	s.cfg = o.cfg
	options := append([]middleware.Option{
		middleware.WithHTTPClient(&http.Client{Transport: s.gh.Transport()}),
		middleware.WithLogger(slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}, o.options...)
	var err error
	if s.auth, err = middleware.New(o.cfg, o.store, options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := s.auth.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
		s.wantNoSecrets(t, s.log.String())
	})
	s.gh.SignInAs("octocat")
	s.handler = o.wrap(s.auth, s.mux())
	return s
}

// mux is the app behind the middleware.
func (s *site) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := middleware.UserFromContext(r.Context()); ok {
			_, _ = fmt.Fprintf(w, "hello %s", user.Login)
			return
		}
		_, _ = fmt.Fprint(w, "hello stranger")
	})
	mux.Handle("/me", s.auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gh, ok := middleware.ClientFromContext(r.Context())
		if !ok {
			http.Error(w, "no client", http.StatusInternalServerError)
			return
		}
		user, _, err := gh.Users.Get(r.Context(), "")
		if err != nil {
			s.auth.Fail(w, r, err)
			return
		}
		_, _ = fmt.Fprintf(w, "you are %s at %s", user.GetLogin(), r.URL.RequestURI())
	})))
	return mux
}

// wantNoSecrets fails the test if text holds anything that was ever to be kept.
func (s *site) wantNoSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range s.gh.Secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown: %.6s…", secret)
		}
	}
}

// browser keeps cookies, follows redirects, and asks for pages as browsers do.
type browser struct {
	t      *testing.T
	site   *site
	client *http.Client
	accept string
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, site: s, accept: "text/html,application/xhtml+xml,*/*;q=0.8", client: &http.Client{
		Jar: jar,
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Host, "app.example") {
				return s.serve(r), nil
			}
			return s.gh.Transport().RoundTrip(r)
		}),
	}}
}

// serve has the site answer r as a server would.
func (s *site) serve(r *http.Request) *http.Response {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = r
	return resp
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// page is an answer, read.
type page struct {
	*http.Response
	body string
}

func (p page) at() string { return p.Request.URL.String() }

func (b *browser) do(method, target string, change ...func(*http.Request)) page {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = origin + target
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", b.accept)
	for _, c := range change {
		c(r)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.site.wantNoSecrets(b.t, string(body))
	return page{resp, string(body)}
}

func (b *browser) get(target string) page { b.t.Helper(); return b.do(http.MethodGet, target) }

// still runs f without following redirects.
func (b *browser) still(f func() page) page {
	b.t.Helper()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { b.client.CheckRedirect = nil }()
	return f()
}

// begin starts a sign-in and goes through it at GitHub, and returns the callback's URL unvisited.
func (b *browser) begin(loginPath string) string {
	b.t.Helper()
	toGitHub := b.still(func() page { return b.get(loginPath) })
	if toGitHub.StatusCode != http.StatusFound {
		b.t.Fatalf("GET %s = %d %s", loginPath, toGitHub.StatusCode, toGitHub.body)
	}
	back := b.still(func() page { return b.get(toGitHub.Header.Get("Location")) })
	return back.Header.Get("Location")
}

func (b *browser) wantSignedIn(login string) {
	b.t.Helper()
	if p := b.get("/"); p.body != "hello "+login {
		b.t.Errorf("the start page says %q, want %q", p.body, "hello "+login)
	}
}

func (b *browser) wantSignedOut() { b.t.Helper(); b.wantSignedIn("stranger") }

func (b *browser) signIn() {
	b.t.Helper()
	b.get("/auth/github/login")
	b.wantSignedIn("octocat")
}

func (b *browser) signOut() page { b.t.Helper(); return b.do(http.MethodPost, "/auth/github/logout") }

// cookies returns the site's cookies whose name contains part.
func (b *browser) cookies(part string) []*http.Cookie {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, origin, nil)
	var found []*http.Cookie
	for _, c := range b.client.Jar.Cookies(r.URL) {
		if strings.Contains(c.Name, part) {
			found = append(found, c)
		}
	}
	return found
}

// sessionCookies returns what our own session manager set.
func (b *browser) sessionCookies() []*http.Cookie {
	b.t.Helper()
	return slices.DeleteFunc(b.cookies("__Host-ghlogin-"), func(c *http.Cookie) bool { return strings.Contains(c.Name, "attempt") })
}

func (b *browser) setCookie(name, value string) {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, origin, nil)
	b.client.Jar.SetCookies(r.URL, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// problemJSON reads a problem.
func problemJSON(t *testing.T, p page) map[string]any {
	t.Helper()
	if got := p.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(p.body), &v); err != nil {
		t.Fatalf("no problem JSON: %v in %q", err, p.body)
	}
	return v
}

// wantProblem checks a page about a problem: its status, that it is ours, and its way on.
func wantProblem(t *testing.T, p page, status int, says string) {
	t.Helper()
	if p.StatusCode != status || !strings.Contains(p.body, says) {
		t.Errorf("%s = %d, want %d and a page that says %q; got %q", p.at(), p.StatusCode, status, says, p.body)
	}
	for header, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := p.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("Content-Security-Policy: %q", csp)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
