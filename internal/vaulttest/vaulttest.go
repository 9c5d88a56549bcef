// Package vaulttest starts a real Vault in a container for tests.
//
// The image is that of GHLOGIN_TEST_VAULT_IMAGE, by default hashicorp/vault. Without a Docker engine tests
// skip, unless GHLOGIN_REQUIRE_DOCKER is set: then they fail.
package vaulttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/testcontainers/testcontainers-go"
)

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

func (s *Server) must(what string, err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("vault: %s: %v", what, err)
	}
}

// context outlives the test: a container that tests share outlives the first of them, and a cleanup must
// still be able to unpause or unseal.
func (s *Server) context() context.Context { return context.WithoutCancel(s.tb.Context()) }

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
