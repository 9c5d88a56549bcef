package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

// program is built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "production")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "production")
	return bin, demotest.BuildAs(".", bin)
})

func TestMain(m *testing.M) {
	status := vaulttest.Main(m)
	if bin, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(status)
}

// world is all that replicas stand on, for real but for GitHub.
type world struct {
	gh       *githubtest.Server
	app      githubtest.App
	balancer *balancer
	env      []string
}

func newWorld(t *testing.T, sessions string) *world {
	t.Helper()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	policy, err := os.ReadFile("../../store/vault/app.hcl")
	if err != nil {
		t.Fatal(err)
	}
	roleID, secretID := v.AppRole(t, regexp.MustCompile(`"ghlogin/`).ReplaceAllString(string(policy), `"`+mount+`/`), time.Hour, time.Hour)

	w := &world{gh: githubtest.Start(t, githubtest.WithRateLimit(0)), balancer: newBalancer(t)}
	callback := w.balancer.url + "/auth/github/callback"
	w.app = w.gh.AddApp(githubtest.App{Kind: githubtest.GitHubApp, TokenLife: 8 * time.Second, Callbacks: []string{callback}})
	w.gh.SignInAs("octocat")
	w.env = []string{
		"PATH=" + os.Getenv("PATH"),
		"GITHUB_CLIENT_ID=" + w.app.ClientID, "GITHUB_CLIENT_SECRET=" + w.app.Secrets[0], "GITHUB_REDIRECT_URL=" + callback,
		"GITHUB_BASE_URL=" + w.gh.URL(), "GITHUB_API_URL=" + w.gh.APIURL(),
		"COOKIE_KEY_FILE=" + file(t, strings.Repeat("k", 32)),
		"VAULT_ADDR=" + v.Address, "VAULT_ROLE_ID=" + roleID, "VAULT_SECRET_ID_FILE=" + file(t, secretID), "VAULT_MOUNT=" + mount,
		"SESSIONS=" + sessions, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
	}
	if sessions == "redis" {
		w.env = append(w.env, "REDIS_URL="+startRedis(t))
	}
	return w
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startRedis starts a Redis of the test's own on a socket in the file system.
func startRedis(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("GHLOGIN_REQUIRE_REDIS") != "" {
			t.Fatal("there is no redis-server, and GHLOGIN_REQUIRE_REDIS is set; on Debian: apt install redis-server")
		}
		t.Skip("there is no redis-server, so this test of sessions in a real Redis is left out; on Debian: apt install redis-server")
	}
	dir, err := os.MkdirTemp("", "redis") //nolint:usetesting // A socket's path has at most 107 bytes, which t.TempDir's may exceed.
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), bin, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // The end of t.Context has killed it.
		_ = os.RemoveAll(dir)
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: 50})
	defer client.Close()
	eventually(t, "redis to answer", func() bool { return client.Ping(t.Context()).Err() == nil })
	return "unix://" + socket
}

// eventually polls until ok, for half a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// replica is a process of the program.
type replica struct {
	cmd          *exec.Cmd
	pages, admin string // Base URLs.
	ended        chan struct{}
	log          strings.Builder // Good once ended is closed.
}

// start runs a replica and waits until it is ready.
func (w *world) start(t *testing.T, more ...string) *replica {
	t.Helper()
	r := w.launch(t, more...)
	eventually(t, "a replica to be ready", func() bool { return r.isReady(t.Context()) })
	return r
}

// launch runs a replica and waits until it listens.
func (w *world) launch(t *testing.T, more ...string) *replica {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{cmd: exec.CommandContext(t.Context(), bin), ended: make(chan struct{})}
	r.cmd.Env = append(slices.Clone(w.env), more...)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := make(chan string, 2)
	go func() {
		defer close(r.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.log.WriteString(lines.Text() + "\n")
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				addresses <- line.Addr
			}
		}
		_ = r.cmd.Wait()
	}()
	t.Cleanup(func() { <-r.ended }) // The end of t.Context kills what still runs.
	for _, to := range []*string{&r.admin, &r.pages} {
		select {
		case addr := <-addresses:
			*to = "http://" + addr
		case <-r.ended:
			t.Fatalf("the replica ended: %s", r.log.String())
		case <-time.After(30 * time.Second):
			t.Fatal("the replica does not listen")
		}
	}
	return r
}

func (r *replica) isReady(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop has a replica shut down as an orchestrator would, and returns its exit status.
func (r *replica) stop(t *testing.T) int {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	return r.cmd.ProcessState.ExitCode()
}

// balancer sends requests to the replicas that say they are ready, in turn, as any would.
type balancer struct {
	url string

	mu       sync.Mutex
	replicas []*replica
	next     int
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.url = "http://" + listener.Addr().String()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to, _ := url.Parse(b.pick().pages)
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return b
}

func (b *balancer) pick() *replica {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.replicas[b.next%len(b.replicas)]
}

// use sets the replicas; watch takes out those that say they are leaving.
func (b *balancer) use(replicas ...*replica) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas = replicas
}

func (b *balancer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		b.mu.Lock()
		all := b.replicas
		b.mu.Unlock()
		var ready []*replica
		for _, r := range all {
			if r.isReady(ctx) {
				ready = append(ready, r)
			}
		}
		if len(ready) > 0 && len(ready) < len(all) {
			b.mu.Lock()
			if len(b.replicas) == len(all) {
				b.replicas = ready
			}
			b.mu.Unlock()
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
