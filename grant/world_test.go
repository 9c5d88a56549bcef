package grant_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// No refresh, revocation or wait outlives its manager.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	octocat  = int64(583231)
	callback = "https://app.example/auth/github/callback"
)

// world is a fake GitHub with one app, a store, and the app's settings. It uses no sockets, so that
// tests can run in a synctest bubble, where hours pass in no time.
type world struct {
	gh    *githubtest.Server
	app   githubtest.App
	store *faultyStore
}

func newWorld(tb testing.TB, app githubtest.App) *world {
	tb.Helper()
	gh := githubtest.New()
	tb.Cleanup(gh.Close)
	app.Callbacks = []string{callback}
	gh.AddUser(githubtest.User{ID: octocat, Login: "octocat", Name: "The Octocat"})
	return &world{gh: gh, app: gh.AddApp(app), store: &faultyStore{Store: memory.New()}}
}

func (w *world) client() *http.Client { return &http.Client{Transport: w.gh.Transport()} }

func (w *world) oauth(tb testing.TB, secrets ...string) *oauth.Client {
	tb.Helper()
	if len(secrets) == 0 {
		secrets = w.app.Secrets
	}
	cfg := oauth.Config{ClientID: w.app.ClientID, RedirectURL: callback}
	for _, s := range secrets {
		cfg.ClientSecrets = append(cfg.ClientSecrets, oauth.NewSecret(s))
	}
	c, err := oauth.New(cfg, oauth.WithHTTPClient(w.client()))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// manager starts a replica, which is closed with the test.
func (w *world) manager(tb testing.TB, opts ...grant.Option) *grant.Manager {
	tb.Helper()
	return w.managerOf(tb, w.oauth(tb), opts...)
}

func (w *world) managerOf(tb testing.TB, app *oauth.Client, opts ...grant.Option) *grant.Manager {
	tb.Helper()
	return w.start(tb, app, w.store, opts...)
}

// managerOn starts a replica that has its own way to the store.
func (w *world) managerOn(tb testing.TB, s store.Store, opts ...grant.Option) *grant.Manager {
	tb.Helper()
	return w.start(tb, w.oauth(tb), s, opts...)
}

func (w *world) start(tb testing.TB, app *oauth.Client, s store.Store, opts ...grant.Option) *grant.Manager {
	tb.Helper()
	m, err := grant.New(app, s, append([]grant.Option{grant.WithTransport(w.gh.Transport()), grant.WithStaleness(0)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Minute)
		defer cancel()
		_ = m.Close(ctx)
	})
	return m
}

// authorize is the visitor's part of a sign-in: it ends with a code.
func (w *world) authorize(tb testing.TB, login string) (code string, verifier oauth.Secret) {
	tb.Helper()
	verifier = oauth.NewVerifier()
	to, err := w.oauth(tb).AuthorizeURL(oauth.Authorize{State: oauth.NewState(), Verifier: verifier, Scopes: []string{"user:email"}})
	if err != nil {
		tb.Fatal(err)
	}
	w.gh.SignInAs(login)
	hc := w.client()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := hc.Get(to)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		tb.Fatalf("the fake GitHub answered %s to authorize, and no code", resp.Status)
	}
	return back.Query().Get("code"), verifier
}

func (w *world) signIn(tb testing.TB, m *grant.Manager, login string) grant.Session {
	tb.Helper()
	code, verifier := w.authorize(tb, login)
	session, _, err := m.SignIn(tb.Context(), code, verifier, grant.Login{Lifetime: 30 * 24 * time.Hour})
	if err != nil {
		tb.Fatalf("SignIn = %v", err)
	}
	return session
}

// stored is the grant as it stands in the store. Its form is documented, so tests may read it.
func (w *world) stored(t *testing.T, userID string) map[string]any {
	t.Helper()
	e, err := w.store.Store.Get(t.Context(), "github.com/"+userID)
	if err != nil {
		t.Fatalf("the store holds no grant: %v", err)
	}
	var v map[string]any
	if err := json.Unmarshal(e.Value, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// change edits the stored grant as another writer would.
func (w *world) change(t *testing.T, userID string, edit func(v map[string]any)) {
	t.Helper()
	v := w.stored(t, userID)
	edit(v)
	value, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	e, err := w.store.Store.Get(t.Context(), "github.com/"+userID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Store.Put(t.Context(), "github.com/"+userID, store.Entry{Value: value, Version: e.Version}); err != nil {
		t.Fatal(err)
	}
}

// user calls GET /user with a client and returns the status.
func getUser(t *testing.T, c *http.Client) int {
	t.Helper()
	resp, err := c.Get("https://api.github.com/user")
	if err != nil {
		t.Fatalf("GET /user = %v", err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func userCalls(gh *githubtest.Server) int {
	n := 0
	for _, c := range gh.Calls() {
		if c.Path == "/user" {
			n++
		}
	}
	return n
}

func isRefresh(r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/login/oauth/access_token") {
		return false
	}
	_ = r.ParseForm()
	return r.Form.Get("grant_type") == "refresh_token"
}

// faultyStore is a store that a test can put out of order.
type faultyStore struct {
	store.Store
	mu   sync.Mutex
	get  func() error                 // Runs before each Get; an error is its answer.
	put  func(put func() error) error // Runs instead of each Put, and may carry it out.
	puts int                          // Puts that took effect.
	gets int
}

func (s *faultyStore) set(get func() error, put func(put func() error) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.get, s.put = get, put
}

func (s *faultyStore) counts() (gets, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets, s.puts
}

func (s *faultyStore) Get(ctx context.Context, key string) (store.Entry, error) {
	s.mu.Lock()
	fault := s.get
	s.gets++
	s.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return store.Entry{}, err
		}
	}
	return s.Store.Get(ctx, key)
}

func (s *faultyStore) Put(ctx context.Context, key string, e store.Entry) (version string, err error) {
	s.mu.Lock()
	fault := s.put
	s.mu.Unlock()
	put := func() error {
		version, err = s.Store.Put(ctx, key, e)
		if err == nil {
			s.mu.Lock()
			s.puts++
			s.mu.Unlock()
		}
		return err
	}
	if fault == nil {
		return version, put()
	}
	err = fault(put)
	return version, err
}
