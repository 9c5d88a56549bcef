package vaulttest

import (
	"cmp"
	"context"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

const defaultImage = "hashicorp/vault:1.21.0"

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
