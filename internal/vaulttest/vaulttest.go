// Package vaulttest starts a real Vault in a container for tests.
//
// The image is that of GHLOGIN_TEST_VAULT_IMAGE, by default hashicorp/vault. Without a Docker engine tests
// skip, unless GHLOGIN_REQUIRE_DOCKER is set: then they fail.
package vaulttest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

const defaultImage = "hashicorp/vault:1.21.0"

// Server is a Vault. Its address stays the same when it is stopped and started.
type Server struct {
	Address   string
	RootToken string

	container *testcontainers.DockerContainer
	door      *door
	unsealKey string
	tb        testing.TB
}

// Option sets up a [Server] of a test's own; without one, tests share a Vault in memory.
type Option func(*settings)

type settings struct{ onDisk, audit bool }

// OnDisk keeps what is stored when the server is stopped. It can be sealed and unsealed, too.
func OnDisk() Option { return func(s *settings) { s.onDisk = true } }

// WithAuditLog writes an audit log; see [Server.AuditLog].
func WithAuditLog() Option { return func(s *settings) { s.audit = true } }

// shared is the Vault of all tests that ask for nothing special. It ends with the last of them that runs,
// or, kept by [Main], with the test program.
var shared struct {
	sync.Mutex
	users  int
	kept   bool
	server *Server
}

// Main runs the tests of m and returns the program's exit status. With it, tests that run one after
// another share one Vault as well:
//
//	func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }
func Main(m *testing.M) int {
	shared.Lock()
	shared.kept = true
	shared.Unlock()
	status := m.Run()
	shared.Lock()
	defer shared.Unlock()
	shared.kept = false
	if shared.server != nil {
		shared.server.door.close()
		if err := testcontainers.TerminateContainer(shared.server.container, testcontainers.StopTimeout(0)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = max(status, 1)
		}
		shared.server = nil
	}
	return status
}

// Start returns an unsealed Vault: one that tests share, or with options one of the test's own.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	if len(opts) > 0 {
		return start(tb, opts)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = startShared(tb)
	}
	shared.users++
	tb.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.users--; shared.users == 0 && !shared.kept {
			shared.server.end()
			shared.server = nil
		}
	})
	return &Server{Address: shared.server.Address, RootToken: shared.server.RootToken, container: shared.server.container, door: shared.server.door, tb: tb}
}

func start(tb testing.TB, opts []Option) *Server {
	tb.Helper()
	var set settings
	for _, opt := range opts {
		opt(&set)
	}
	s := run(tb, set)
	tb.Cleanup(s.end)
	return s
}

func startShared(tb testing.TB) *Server {
	tb.Helper()
	return run(tb, settings{})
}

// The minimal build of Vault has no file storage, so it is raft, with the shortest elections that there are:
// a raft of one node holds one after each unsealing.
const diskConfig = `
storage "raft" {
  path                   = "/vault/file"
  node_id                = "one"
  performance_multiplier = 1
}
cluster_addr = "http://127.0.0.1:8201"
listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true
}
disable_mlock = true
api_addr      = "http://127.0.0.1:8200"
`

func run(tb testing.TB, set settings) *Server {
	tb.Helper()
	requireDocker(tb)
	s := &Server{RootToken: "root-" + rand.Text(), tb: tb}
	custom := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts("8200/tcp"),
		testcontainers.WithEnv(map[string]string{"SKIP_SETCAP": "true", "VAULT_DISABLE_MLOCK": "true"}),
		testcontainers.WithWaitStrategyAndDeadline(time.Minute, wait.ForHTTP("/v1/sys/health").WithPort("8200/tcp").
			WithStatusCodeMatcher(func(int) bool { return true })),
	}
	if set.onDisk {
		custom = append(custom, testcontainers.WithCmd("server", "-config=/vault-test.hcl"),
			testcontainers.WithFiles(testcontainers.ContainerFile{Reader: strings.NewReader(diskConfig), ContainerFilePath: "/vault-test.hcl", FileMode: 0o644},
				testcontainers.ContainerFile{Reader: strings.NewReader(""), ContainerFilePath: "/vault/file/.keep", FileMode: 0o644}))
	} else {
		custom = append(custom, testcontainers.WithCmd("server", "-dev", "-dev-root-token-id="+s.RootToken, "-dev-listen-address=0.0.0.0:8200", "-dev-no-store-token"))
	}
	ctx := s.context()
	var err error
	s.container, err = testcontainers.Run(ctx, cmp.Or(os.Getenv("GHLOGIN_TEST_VAULT_IMAGE"), defaultImage), custom...)
	if err != nil {
		// It may be there all the same, for instance when it never became ready.
		_ = testcontainers.TerminateContainer(s.container, testcontainers.StopTimeout(0))
		if strings.Contains(err.Error(), "create container") && os.Getenv("GHLOGIN_REQUIRE_DOCKER") == "" {
			tb.Skipf("there is no image of Vault to be had, so this test of a real one is left out; run make vault-image and set GHLOGIN_TEST_VAULT_IMAGE=ghlogin-vault:test to run it: %v", err)
		}
		tb.Fatalf("vault did not start (where no registry answers, run make vault-image and set "+
			"GHLOGIN_TEST_VAULT_IMAGE=ghlogin-vault:test): %v", err)
	}
	s.door = openDoor(tb)
	ready := false
	defer func() {
		if !ready { // A fatal error below: nobody else ends the container.
			s.end()
		}
	}()
	s.Address = "http://" + s.door.listener.Addr().String()
	s.door.lead(s.target())
	if set.onDisk {
		s.initialize()
	}
	if set.audit {
		s.must("enable the audit log", s.Root().Sys().EnableAuditWithOptionsWithContext(ctx, "file", &api.EnableAuditOptions{
			Type: "file", Options: map[string]string{"file_path": "/vault/logs/audit.log"},
		}))
	}
	ready = true
	return s
}

func requireDocker(tb testing.TB) {
	tb.Helper()
	provider, err := testcontainers.NewDockerProvider()
	if err == nil {
		err = provider.Health(tb.Context())
		_ = provider.Close()
	}
	switch {
	case err == nil:
	case os.Getenv("GHLOGIN_REQUIRE_DOCKER") != "":
		tb.Fatalf("no Docker engine answers, and GHLOGIN_REQUIRE_DOCKER is set: %v", err)
	default:
		tb.Skipf("no Docker engine answers, so this test of a real Vault is left out; to run it, "+
			"install Docker (on Debian: apt install docker.io) and start dockerd: %v", err)
	}
}

func (s *Server) must(what string, err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("vault: %s: %v", what, err)
	}
}

// context outlives the test: a container that tests share outlives the first of them, and a cleanup must
// still be able to unpause or unseal.
func (s *Server) context() context.Context { return context.WithoutCancel(s.tb.Context()) }

// target is where the container's port is on this machine now.
func (s *Server) target() string {
	ctx := s.context()
	host, err := s.container.Host(ctx)
	s.must("find the host", err)
	port, err := s.container.MappedPort(ctx, "8200/tcp")
	s.must("find the port", err)
	return net.JoinHostPort(host, port.Port())
}

func (s *Server) end() {
	s.door.close()
	ctx, cancel := context.WithTimeout(s.context(), time.Minute)
	defer cancel()
	if err := s.container.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		s.tb.Logf("vault was not removed: %v", err)
	}
}

func (s *Server) initialize() {
	ctx := s.context()
	answer, err := s.Root().Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	s.must("initialize", err)
	s.unsealKey, s.RootToken = answer.Keys[0], answer.RootToken
	s.Unseal()
}

// Root returns a client of its own with the root token. It reads nothing from the environment that would
// lead it elsewhere, and does not repeat requests.
func (s *Server) Root() *api.Client {
	s.tb.Helper()
	c, err := api.NewClient(&api.Config{
		Address: s.Address, HttpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Timeout: 30 * time.Second,
	})
	s.must("make a client", err)
	c.SetToken(s.RootToken)
	c.ClearNamespace()
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
	return c
}

// MountOptions are settings of a KV engine.
type MountOptions struct {
	KVv1        bool
	MaxVersions int
	CASRequired bool
}

// Mount makes a KV version 2 engine as the store needs it, for one test, and returns its path.
func (s *Server) Mount(tb testing.TB) string {
	tb.Helper()
	return s.MountWith(tb, MountOptions{MaxVersions: 1, CASRequired: true})
}

// MountWith makes a KV engine with other settings.
func (s *Server) MountWith(tb testing.TB, o MountOptions) string {
	tb.Helper()
	ctx, root, path := tb.Context(), s.Root(), "kv-"+strings.ToLower(rand.Text())
	version := "2"
	if o.KVv1 {
		version = "1"
	}
	if err := root.Sys().MountWithContext(ctx, path, &api.MountInput{Type: "kv", Options: map[string]string{"version": version}}); err != nil {
		tb.Fatalf("vault: mount: %v", err)
	}
	if o.KVv1 {
		return path
	}
	// A new engine answers 400 for a moment, while it upgrades itself.
	config := map[string]any{"max_versions": o.MaxVersions, "cas_required": o.CASRequired}
	retry(tb, "configure the mount", func() error {
		_, err := root.Logical().WriteWithContext(ctx, path+"/config", config)
		return err
	})
	return path
}

// retry repeats f until it is nil, for a minute at most.
func retry(tb testing.TB, what string, f func() error) {
	tb.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("vault: %s: %v", what, err)
		}
	}
}

// Policy returns a token that has this policy and no other, not even the default one.
func (s *Server) Policy(tb testing.TB, hcl string) string {
	tb.Helper()
	name := s.policy(tb, hcl)
	secret, err := s.Root().Auth().Token().CreateWithContext(tb.Context(), &api.TokenCreateRequest{
		Policies: []string{name}, NoDefaultPolicy: true, TTL: "1h", NoParent: true,
	})
	if err != nil {
		tb.Fatalf("vault: make a token: %v", err)
	}
	return secret.Auth.ClientToken
}

func (s *Server) policy(tb testing.TB, hcl string) string {
	tb.Helper()
	name := "p-" + strings.ToLower(rand.Text())
	if hcl == "" {
		hcl = `path "nowhere" { capabilities = ["deny"] }`
	}
	if err := s.Root().Sys().PutPolicyWithContext(tb.Context(), name, hcl); err != nil {
		tb.Fatalf("vault: write a policy: %v", err)
	}
	return name
}

// AppRole returns the credentials of a role with this policy, whose tokens live for ttl, and renewed
// for at most maxTTL.
func (s *Server) AppRole(tb testing.TB, hcl string, ttl, maxTTL time.Duration) (roleID, secretID string) {
	tb.Helper()
	ctx, root, role := tb.Context(), s.Root(), "r-"+strings.ToLower(rand.Text())
	if err := root.Sys().EnableAuthWithOptionsWithContext(ctx, "approle", &api.EnableAuthOptions{Type: "approle"}); err != nil && !strings.Contains(err.Error(), "path is already in use") {
		tb.Fatalf("vault: enable approle: %v", err)
	}
	write := func(path string, data map[string]any) map[string]any {
		secret, err := root.Logical().WriteWithContext(ctx, "auth/approle/role/"+role+path, data)
		if err != nil {
			tb.Fatalf("vault: role: %v", err)
		}
		if secret == nil {
			return nil
		}
		return secret.Data
	}
	write("", map[string]any{
		"token_policies": s.policy(tb, hcl), "token_no_default_policy": true,
		"token_ttl": ttl.String(), "token_max_ttl": maxTTL.String(),
	})
	id, err := root.Logical().ReadWithContext(ctx, "auth/approle/role/"+role+"/role-id")
	if err != nil {
		tb.Fatalf("vault: role id: %v", err)
	}
	return fmt.Sprint(id.Data["role_id"]), fmt.Sprint(write("/secret-id", nil)["secret_id"])
}

// Seal seals the server, which must be one [OnDisk].
func (s *Server) Seal() {
	s.tb.Helper()
	s.must("seal", s.Root().Sys().SealWithContext(s.context()))
}

// Unseal unseals the server, and waits until it is at work.
func (s *Server) Unseal() {
	s.tb.Helper()
	root := s.Root()
	retry(s.tb, "unseal", func() error {
		_, err := root.Sys().UnsealWithContext(s.context(), s.unsealKey)
		return err
	})
	retry(s.tb, "become active", func() error {
		_, err := root.Sys().ListMountsWithContext(s.context())
		return err
	})
}

// Pause stops the server's clock: connections stay open, and nothing answers.
func (s *Server) Pause() {
	s.tb.Helper()
	s.docker("pause", func(ctx context.Context, c *testcontainers.DockerClient) error {
		_, err := c.ContainerPause(ctx, s.container.GetContainerID(), client.ContainerPauseOptions{})
		return err
	})
}

// Unpause ends a [Server.Pause].
func (s *Server) Unpause() {
	s.tb.Helper()
	s.docker("unpause", func(ctx context.Context, c *testcontainers.DockerClient) error {
		_, err := c.ContainerUnpause(ctx, s.container.GetContainerID(), client.ContainerUnpauseOptions{})
		return err
	})
}

func (s *Server) docker(what string, f func(context.Context, *testcontainers.DockerClient) error) {
	s.tb.Helper()
	c, err := testcontainers.NewDockerClientWithOpts(s.context())
	s.must("reach docker", err)
	defer func() { _ = c.Close() }()
	s.must(what, f(s.context(), c))
}

// Stop stops the server.
func (s *Server) Stop() {
	s.tb.Helper()
	at := 5 * time.Second
	// The engine may give the port to another container before this one starts again.
	s.door.lead("")
	s.must("stop", s.container.Stop(s.context(), &at))
}

// Restart starts a stopped server. One on disk is sealed then: see [Server.Unseal].
func (s *Server) Restart() {
	s.tb.Helper()
	s.must("start", s.container.Start(s.context()))
	s.door.lead(s.target())
}

// AuditLog returns the audit log so far.
func (s *Server) AuditLog() []byte {
	s.tb.Helper()
	file, err := s.container.CopyFileFromContainer(s.context(), "/vault/logs/audit.log")
	s.must("read the audit log", err)
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(file)
	s.must("read the audit log", err)
	return text
}
