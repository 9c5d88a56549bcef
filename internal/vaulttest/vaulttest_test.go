package vaulttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

func TestTestsShareOneVaultAndEachHasItsOwnMount(t *testing.T) {
	t.Parallel()
	one, other := vaulttest.Start(t), vaulttest.Start(t)
	if one.Address != other.Address {
		t.Errorf("two servers, %s and %s", one.Address, other.Address)
	}
	a, b := one.Mount(t), other.Mount(t)
	if a == b {
		t.Fatalf("one mount %s for both", a)
	}
	put(t, one.Root(), a, "of a")
	if _, err := one.Root().KVv2(b).Get(t.Context(), "key"); !errors.Is(err, api.ErrSecretNotFound) {
		t.Errorf("the other mount answers %v, want not found", err)
	}
}

func TestMountKeepsOneVersionAndWantsCheckAndSet(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount, kv := v.Mount(t), v.Root()
	if _, err := kv.KVv2(mount).Put(t.Context(), "key", map[string]any{"value": "x"}); err == nil {
		t.Error("a write without check-and-set passed")
	}
	for cas := range 2 {
		if _, err := kv.KVv2(mount).Put(t.Context(), "key", map[string]any{"value": "x"}, api.WithCheckAndSet(cas)); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := kv.KVv2(mount).GetVersionsAsList(t.Context(), "key")
	if err != nil || len(versions) != 1 {
		t.Errorf("%d versions are kept, error %v, want one", len(versions), err)
	}
}

func TestMountWithMakesTheMountsThatTheStoreMustRefuse(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	ten := v.MountWith(t, vaulttest.MountOptions{MaxVersions: 10})
	config, err := v.Root().Logical().ReadWithContext(t.Context(), ten+"/config")
	if err != nil {
		t.Fatal(err)
	}
	if config.Data["cas_required"] != false || fmt.Sprint(config.Data["max_versions"]) != "10" {
		t.Errorf("config is %v", config.Data)
	}
	one := v.MountWith(t, vaulttest.MountOptions{KVv1: true})
	if err := v.Root().KVv1(one).Put(t.Context(), "key", map[string]any{"value": "x"}); err != nil {
		t.Error(err)
	}
}

func TestPolicyTokenMayDoWhatItsPolicySaysAndNothingElse(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	put(t, v.Root(), mount, "x")
	c := v.Root()
	c.SetToken(v.Policy(t, `path "`+mount+`/data/key" { capabilities = ["read"] }`))
	if got := get(t, c, mount); got != "x" {
		t.Errorf("read %q", got)
	}
	if _, err := c.KVv2(mount).Put(t.Context(), "key", map[string]any{"value": "y"}, api.WithCheckAndSet(1)); !forbidden(err) {
		t.Errorf("a write answers %v, want 403", err)
	}
	// The default policy would allow this one.
	if _, err := c.Auth().Token().LookupSelfWithContext(t.Context()); !forbidden(err) {
		t.Errorf("lookup-self answers %v, want 403", err)
	}
}

func TestAppRoleTokenHasTheTimesAskedFor(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	role, secret := v.AppRole(t, "", time.Minute, time.Hour)
	c := v.Root()
	c.ClearToken()
	answer, err := c.Logical().WriteWithContext(t.Context(), "auth/approle/login", map[string]any{"role_id": role, "secret_id": secret})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Auth.LeaseDuration != 60 || !answer.Auth.Renewable || len(answer.Auth.Policies) != 1 {
		t.Errorf("lease of %d s, renewable %t, policies %v", answer.Auth.LeaseDuration, answer.Auth.Renewable, answer.Auth.Policies)
	}
}

func TestOnDiskKeepsDataAndAddressWhenSealedStoppedAndStarted(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t, vaulttest.OnDisk(), vaulttest.WithAuditLog())
	root, address, mount := v.Root(), v.Address, v.Mount(t)
	put(t, root, mount, "kept")

	v.Seal()
	if _, err := root.KVv2(mount).Get(t.Context(), "key"); status(err) != http.StatusServiceUnavailable {
		t.Errorf("a sealed server answers %v, want 503", err)
	}
	v.Unseal()
	if got := get(t, root, mount); got != "kept" {
		t.Errorf("read %q after seal and unseal", got)
	}

	v.Stop()
	if _, err := root.KVv2(mount).Get(t.Context(), "key"); err == nil || status(err) != 0 {
		t.Errorf("a stopped server answers %v, want no answer", err)
	}
	v.Restart()
	if _, err := root.KVv2(mount).Get(t.Context(), "key"); status(err) != http.StatusServiceUnavailable {
		t.Errorf("a server started again answers %v, want 503, for it is sealed", err)
	}
	v.Unseal()
	if got := get(t, root, mount); got != "kept" || v.Address != address {
		t.Errorf("read %q at %s, want what was kept at %s", got, v.Address, address)
	}

	log := string(v.AuditLog())
	if !strings.Contains(log, mount+"/data/key") {
		t.Errorf("the audit log of %d bytes does not show the path that was read", len(log))
	}
	if strings.Contains(log, v.RootToken) {
		t.Error("the audit log shows the root token")
	}
}

func TestPausedServerHangsUntilUnpaused(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t, vaulttest.OnDisk())
	mount := v.Mount(t)
	put(t, v.Root(), mount, "x")
	v.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := v.Root().KVv2(mount).Get(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server answers %v, want no answer in time", err)
	}
	v.Unpause()
	if got := get(t, v.Root(), mount); got != "x" {
		t.Errorf("read %q", got)
	}
}

//nolint:tparallel // The outer test goes on when the inner one is cleaned up.
func TestPausedServerIsRemovedAllTheSame(t *testing.T) {
	t.Parallel()
	var address string
	t.Run("left paused", func(t *testing.T) {
		v := vaulttest.Start(t, vaulttest.WithAuditLog())
		address = v.Address
		v.Pause()
	})
	answer, err := http.Get(address + "/v1/sys/health")
	if err == nil {
		answer.Body.Close()
		t.Error("something still answers")
	}
}

//nolint:paralleltest // It sets the environment.
func TestRootHeedsNothingOfTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "wrong",
		"VAULT_NAMESPACE": "elsewhere", "VAULT_WRAP_TTL": "1m", "HTTP_PROXY": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	put(t, v.Root(), mount, "x")
	if got := get(t, v.Root(), mount); got != "x" {
		t.Errorf("read %q", got)
	}
}

func TestWithoutDockerATestSkipsUnlessDockerIsRequired(t *testing.T) {
	t.Parallel()
	if os.Getenv("GHLOGIN_TEST_CHILD") != "" {
		vaulttest.Start(t)
		return
	}
	for require, want := range map[string]string{"": "--- SKIP", "1": "--- FAIL"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "GHLOGIN_TEST_CHILD=1", "GHLOGIN_REQUIRE_DOCKER="+require,
			// The default socket is tried after any other, so the client itself must fail.
			"DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH="+t.TempDir())
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) || !strings.Contains(string(out), "no Docker engine answers") {
			t.Errorf("with GHLOGIN_REQUIRE_DOCKER=%q, want %s and why:\n%s", require, want, out)
		}
	}
}

func put(t *testing.T, c *api.Client, mount, value string) {
	t.Helper()
	if _, err := c.KVv2(mount).Put(t.Context(), "key", map[string]any{"value": value}, api.WithCheckAndSet(0)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *api.Client, mount string) string {
	t.Helper()
	secret, err := c.KVv2(mount).Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	value, _ := secret.Data["value"].(string)
	return value
}

// status is the HTTP status that err tells of, 0 where there was no answer.
func status(err error) int {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return answer.StatusCode
	}
	return 0
}

func forbidden(err error) bool { return status(err) == http.StatusForbidden }
