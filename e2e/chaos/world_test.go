package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/oauth"
)

// limit bounds the wait for one thing to happen.
const limit = 60 * time.Second

const callback = "http://127.0.0.1/auth/github/callback"

// interrupted ends with Ctrl-C: tests then fail, and so remove their processes and containers.
var interrupted, ignoreInterrupts = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

func TestMain(m *testing.M) {
	status := vaulttest.Main(m)
	ignoreInterrupts()
	os.Exit(status)
}

// untilInterrupted returns the test's context, which also ends with Ctrl-C.
func untilInterrupted(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stop := context.AfterFunc(interrupted, func() {
		t.Error("interrupted")
		cancel()
	})
	t.Cleanup(func() { stop() })
	return ctx
}

// world is a fake GitHub with an app and users, a Vault, and a fleet of replicas.
type world struct {
	gh    *githubtest.Server
	front *front
	fleet *fleet
	users []int64

	app   githubtest.App
	oauth *oauth.Client
	mount string
	vault *api.Client

	signingIn sync.Mutex // The fake GitHub's visitor is one for all.
}

// newWorld starts everything. The fake's limits for one user are off: they are of minutes and hours, and a
// run has many hours' calls in it.
func newWorld(t *testing.T, v *vaulttest.Server, tokenLife time.Duration, replicas, users int) *world {
	t.Helper()
	w := &world{gh: githubtest.New(githubtest.WithRateLimit(0), githubtest.WithBadCredentialsLimit(0, 0)), vault: v.Root(), mount: v.Mount(t)}
	w.front = newFront(t, w.gh)
	w.app = w.gh.AddApp(githubtest.App{TokenLife: tokenLife, Callbacks: []string{callback}})
	for i := range users {
		id := int64(1000 + i)
		w.gh.AddUser(githubtest.User{ID: id, Login: login(id)})
		w.users = append(w.users, id)
	}
	host, err := oauth.HostFromURL(w.front.url)
	if err != nil {
		t.Fatal(err)
	}
	w.oauth, err = oauth.New(oauth.Config{
		Host: host, ClientID: w.app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(w.app.Secrets[0])}, RedirectURL: callback,
	})
	if err != nil {
		t.Fatal(err)
	}
	roleID, secretID := v.AppRole(t, policy(t, w.mount), 2*time.Hour, 2*time.Hour)
	secretIDFile := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(secretIDFile, []byte(secretID), 0o600); err != nil {
		t.Fatal(err)
	}
	w.fleet = newFleet(t, replicas, []string{
		"GITHUB_BASE_URL=" + w.front.url, "GITHUB_CLIENT_ID=" + w.app.ClientID, "GITHUB_CLIENT_SECRET=" + w.app.Secrets[0],
		"GITHUB_REDIRECT_URL=" + callback, "VAULT_ADDR=" + v.Address, "GHLOGIN_VAULT_MOUNT=" + w.mount,
		"CHAOS_ROLE_ID=" + roleID, "CHAOS_SECRET_ID_FILE=" + secretIDFile,
	})
	return w
}

func login(user int64) string { return fmt.Sprintf("octo-%d", user) }

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

// signInAll signs every user in.
func (w *world) signInAll(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, user := range w.users {
		if err := w.signIn(ctx, user, w.fleet.any()); err != nil {
			t.Fatalf("sign in: %v", err)
		}
	}
}

// signIn signs a user in at a replica: through GitHub to a code, and with the code to the manager.
func (w *world) signIn(ctx context.Context, user int64, r *replica) error {
	w.signingIn.Lock()
	defer w.signingIn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if r == nil {
		return errors.New("no replica serves")
	}
	verifier := oauth.NewVerifier()
	to, err := w.oauth.AuthorizeURL(oauth.Authorize{State: oauth.NewState(), Verifier: verifier})
	if err != nil {
		return err
	}
	w.gh.SignInAs(login(user))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return err
	}
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		return fmt.Errorf("the fake GitHub answered %s to authorize, and no code", resp.Status)
	}
	var o chaos.Outcome
	form := url.Values{"code": {back.Query().Get("code")}, "verifier": {verifier.Reveal()}}
	if err := w.fleet.post(ctx, r, "/signin", form, &o); err != nil {
		return err
	}
	if o.Kind != chaos.OK {
		return fmt.Errorf("%s: %s", o.Kind, o.Detail)
	}
	return nil
}

// key is where a user's grant stands in the store.
func (w *world) key(user int64) string {
	return strings.TrimPrefix(w.front.url, "http://") + "/" + strconv.FormatInt(user, 10)
}

// grant reads a user's grant, and how often it has been written: the version that Vault gives it.
func (w *world) grant(ctx context.Context, user int64) (g chaos.Grant, writes int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	secret, err := w.vault.Logical().ReadWithContext(ctx, w.mount+"/data/grants/"+w.key(user))
	if err != nil {
		return g, 0, err
	}
	if secret == nil {
		return g, 0, errors.New("no grant is stored")
	}
	data, _ := secret.Data["data"].(map[string]any)
	metadata, _ := secret.Data["metadata"].(map[string]any)
	value, _ := data["value"].(string)
	number, _ := metadata["version"].(json.Number)
	writes, err = number.Int64()
	return g, writes, errors.Join(err, json.Unmarshal([]byte(value), &g))
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
