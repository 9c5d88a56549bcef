package vaulttest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// MountOptions are settings of a KV engine.
type MountOptions struct {
	KVv1        bool
	MaxVersions int
	CASRequired bool

	// DeleteVersionAfter is how long a version lives; empty is for ever.
	DeleteVersionAfter string
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
	if o.DeleteVersionAfter != "" {
		config["delete_version_after"] = o.DeleteVersionAfter
	}
	retry(tb, "configure the mount", func() error {
		_, err := root.Logical().WriteWithContext(ctx, path+"/config", config)
		return err
	})
	return path
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
