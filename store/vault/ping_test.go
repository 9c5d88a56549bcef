package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestPingSaysWhatToChange(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	app := policies(t, mount, "app.hcl")
	without := func(what string) string {
		if !strings.Contains(app, what) {
			t.Fatalf("app.hcl has no %s", what)
		}
		return strings.Replace(app, what, "", 1)
	}
	for name, c := range map[string]struct {
		cfg   vault.Config
		token string
		class error
		says  string
	}{
		"all is well":    {vault.Config{Mount: mount}, v.Policy(t, app), nil, ""},
		"missing mount":  {vault.Config{Mount: "nowhere"}, v.RootToken, vault.ErrSetup, "vault secrets enable -path=nowhere kv-v2"},
		"below a mount":  {vault.Config{Mount: mount + "/x"}, v.RootToken, vault.ErrSetup, "check the mount"},
		"KV version 1":   {vault.Config{Mount: v.MountWith(t, vaulttest.MountOptions{KVv1: true})}, v.RootToken, vault.ErrSetup, "KV version 1"},
		"old versions":   {vault.Config{Mount: v.MountWith(t, vaulttest.MountOptions{MaxVersions: 10, CASRequired: true})}, v.RootToken, vault.ErrSetup, "max_versions=1"},
		"default config": {vault.Config{Mount: v.MountWith(t, vaulttest.MountOptions{})}, v.RootToken, vault.ErrSetup, "max_versions=1"},
		"forgets":        {vault.Config{Mount: v.MountWith(t, vaulttest.MountOptions{MaxVersions: 1, CASRequired: true, DeleteVersionAfter: "1h"})}, v.RootToken, vault.ErrSetup, "delete_version_after=0s"},
		"no CAS":         {vault.Config{Mount: v.MountWith(t, vaulttest.MountOptions{MaxVersions: 1})}, v.RootToken, vault.ErrSetup, "cas_required=true"},
		"no policy":      {vault.Config{Mount: mount}, v.Policy(t, ""), vault.ErrDenied, "app.hcl"},
		"may not read":   {vault.Config{Mount: mount}, v.Policy(t, without(`, "read"`)), vault.ErrDenied, "app.hcl"},
		"may not write":  {vault.Config{Mount: mount}, v.Policy(t, without(`"create", "update", `)), vault.ErrDenied, "app.hcl"},
		"another prefix": {vault.Config{Mount: mount, Prefix: "others"}, v.Policy(t, app), vault.ErrDenied, "app.hcl, with mount " + mount + " and prefix others as set here"},
		"CE namespace":   {vault.Config{Mount: mount, Namespace: "team"}, v.RootToken, vault.ErrSetup, "community edition"},
	} {
		c.cfg.Address = v.Address
		err := open(t, c.cfg, vault.Token(c.token)).Ping(t.Context())
		if !errors.Is(err, c.class) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Ping = %v, want %v that says %q", name, err, c.class, c.says)
		}
		if err != nil && strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

func TestPingOfASealedVaultIsAnOutage(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t, vaulttest.OnDisk())
	s, _ := rooted(t, v)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatalf("Ping = %v", err)
	}
	v.Seal()
	if err := s.Ping(t.Context()); !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("Ping = %v, want ErrUnavailable that says sealed", err)
	}
	v.Unseal()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping after unsealing = %v", err)
	}
}
