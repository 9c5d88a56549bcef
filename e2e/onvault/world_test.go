package onvault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/onvault"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

// Demo users of githubtest.
const (
	octocat = 583231
	hubot   = 480938
)

// limit bounds the wait for one thing to happen.
const limit = 45 * time.Second

// world is a GitHub with an app, and a Vault with a mount and a role for it.
type world struct {
	gh           *githubtest.Server
	app          githubtest.App
	vault        *vaulttest.Server
	mount        string
	roleID       string
	secretID     string
	secretIDFile string
	sessions     string
}

// newWorld makes an AppRole whose tokens live for ttl, and renewed for at most maxTTL.
func newWorld(t *testing.T, v *vaulttest.Server, app githubtest.App, ttl, maxTTL time.Duration) *world {
	t.Helper()
	w := &world{gh: githubtest.Start(t, githubtest.WithRateLimit(0)), vault: v, mount: v.Mount(t), sessions: t.TempDir()}
	app.Callbacks = []string{"http://127.0.0.1/auth/github/callback"}
	w.app = w.gh.AddApp(app)
	w.gh.SignInAs("octocat")
	w.roleID, w.secretID = v.AppRole(t, policy(t, w.mount), ttl, maxTTL)
	w.secretIDFile = filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(w.secretIDFile, []byte(w.secretID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

var comment = regexp.MustCompile(`(?m)^#.*\n`)

// policy is what servers get, for a mount.
func policy(t *testing.T, mount string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "store", "vault", "app.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(comment.ReplaceAllString(string(text), ""), `"ghlogin/`, `"`+mount+`/`)
}

// grantPath is where a user's grant stands in Vault.
func (w *world) grantPath(userID int64) string {
	host := strings.TrimPrefix(w.gh.URL(), "http://")
	return w.mount + "/data/grants/" + host + "/" + strconv.FormatInt(userID, 10)
}

// replica starts a site of w's, in this process, and returns its base URL. change may be nil.
func (w *world) replica(t *testing.T, change func(*onvault.Settings)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	host, err := oauth.HostFromURL(w.gh.URL())
	if err != nil {
		t.Fatal(err)
	}
	set := onvault.Settings{
		App: middleware.Config{
			ClientID: w.app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(w.app.Secrets[0])},
			RedirectURL: base + "/auth/github/callback", Host: host,
		},
		Vault:  vault.Config{Address: w.vault.Address, Mount: w.mount},
		RoleID: w.roleID, SecretIDFile: w.secretIDFile, SessionFolder: w.sessions,
	}
	if change != nil {
		change(&set)
	}
	site, err := onvault.Open(t.Context(), set)
	if err != nil {
		server.Close()
		t.Fatal(err)
	}
	server.Config.Handler = site
	server.Start()
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
		defer cancel()
		if err := site.Close(ctx); err != nil {
			t.Errorf("close the site: %v", err)
		}
	})
	return base
}

// staleness sets for how long replicas take a grant for current.
func staleness(d time.Duration) func(*onvault.Settings) {
	return func(set *onvault.Settings) { set.Options = append(set.Options, middleware.WithStaleness(d)) }
}

// visitor is a browser. Its cookies go to every replica, as behind a load balancer.
type visitor struct {
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{client: &http.Client{Jar: jar, Transport: transport, Timeout: limit}}
}

// page is an answer.
type page struct {
	status     int
	retryAfter string
	location   string // Where a redirect leads that was not followed.
	body       string
}

func (v *visitor) do(ctx context.Context, method, address string, follow bool) (page, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return page{}, err
	}
	req.Header.Set("Accept", "text/html")
	client := *v.client
	if !follow {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	resp, err := client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return page{resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("Location"), string(body)}, err
}

// signIn goes to a page that needs a user, and through GitHub back to it.
func (v *visitor) signIn(t *testing.T, base, login string) {
	t.Helper()
	p, err := v.do(t.Context(), http.MethodGet, base+"/me", true)
	if err != nil || p.status != http.StatusOK || p.body != login {
		t.Fatalf("signing in as %s ended with status %d %.200q, error %v", login, p.status, p.body, err)
	}
}

// get opens a page without following redirects: one would lead to a sign-in.
func (v *visitor) get(t *testing.T, address string) page {
	t.Helper()
	p, err := v.do(t.Context(), http.MethodGet, address, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (v *visitor) signOut(t *testing.T, base string) page {
	t.Helper()
	p, err := v.do(t.Context(), http.MethodPost, base+"/auth/github/logout", false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantSignedIn checks that /me answers with login at once.
func (v *visitor) wantSignedIn(t *testing.T, base, login string) {
	t.Helper()
	if p := v.get(t, base+"/me"); p.status != http.StatusOK || p.body != login {
		t.Errorf("GET /me = %d %.200q to %q, want %s signed in", p.status, p.body, p.location, login)
	}
}

// wantNoSignIn checks that since the last ResetCalls nobody was sent to GitHub, no token was asked for,
// and the API was called.
func (w *world) wantNoSignIn(t *testing.T) {
	t.Helper()
	authorize, api := 0, 0
	for _, call := range w.gh.Calls() {
		switch {
		case strings.HasSuffix(call.Path, "/login/oauth/authorize"):
			authorize++
		case strings.HasPrefix(call.Path, "/api/v3/user"):
			api++
		}
	}
	if n := w.gh.TokenRequests(""); authorize != 0 || n != 0 || api == 0 {
		t.Errorf("%d authorize, %d token requests and %d API calls, want 0, 0 and some", authorize, n, api)
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !f(); <-tick.C {
		if time.Since(start) > limit {
			t.Fatalf("%s: not so after %v", what, limit)
		}
	}
}

// pass lets real time pass: for a token of Vault's or GitHub's, whose end nobody can see coming.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.New("the test ended meanwhile")
	}
}

// output is a log that can be written and read at once.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
