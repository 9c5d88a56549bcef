package vault_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

// server does what a server does, and upkeep what a job does.
func server(ctx context.Context, v *vaulttest.Server, mount, token string) error {
	s, err := vault.Open(ctx, vault.Config{Address: v.Address, Mount: mount}, vault.Token(token))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close(ctx) }()
	if err := s.Ping(ctx); err != nil {
		return err
	}
	version, err := s.Put(ctx, key, store.Entry{Value: []byte("v"), Expires: time.Now().Add(-2 * time.Hour)})
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, key, store.Entry{Value: []byte("v"), Version: version, Expires: time.Now().Add(-2 * time.Hour)}); err != nil {
		return err
	}
	if _, err := s.Get(ctx, key); err != nil {
		return err
	}
	// That the token may renew itself shows in its lease.
	lookup, err := v.Root().Auth().Token().LookupWithContext(ctx, token)
	if err != nil {
		return err
	}
	if renewed := lookup.Data["last_renewal"]; renewed == nil {
		return errors.New("the token was not renewed")
	}
	return nil
}

func upkeep(ctx context.Context, v *vaulttest.Server, mount, token string) error {
	s, err := vault.Open(ctx, vault.Config{Address: v.Address, Mount: mount}, vault.Token(token))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close(ctx) }()
	n, err := s.Sweep(ctx)
	if err == nil && n != 1 {
		err = fmt.Errorf("%d entries were swept, want 1", n)
	}
	return err
}

var capability = regexp.MustCompile(`"(create|update|read|list|delete)"(, )?`)

// Both sides of the policies: they suffice, and nothing can be taken out of them.
func TestEveryWordOfThePoliciesIsNeeded(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	for file, use := range map[string]func(context.Context, *vaulttest.Server, string, string) error{"app.hcl": server, "sweep.hcl": upkeep} {
		mount := v.Mount(t)
		prepare := func() {
			if file == "sweep.hcl" {
				if err := server(t.Context(), v, mount, v.Policy(t, policies(t, mount, "app.hcl"))); err != nil && !errors.Is(err, store.ErrConflict) {
					t.Fatal(err)
				}
			}
		}
		whole := policies(t, mount, file)
		prepare()
		if err := use(t.Context(), v, mount, v.Policy(t, whole)); err != nil {
			t.Errorf("%s does not suffice: %v", file, err)
		}
		for _, at := range capability.FindAllStringIndex(whole, -1) {
			mount := v.Mount(t)
			less := policies(t, mount, file)
			at := capability.FindAllStringIndex(less, -1)[len(capability.FindAllStringIndex(whole[:at[0]], -1))]
			word := less[at[0]:at[1]]
			less = less[:at[0]] + less[at[1]:]
			if file == "sweep.hcl" {
				if err := server(t.Context(), v, mount, v.Policy(t, policies(t, mount, "app.hcl"))); err != nil {
					t.Fatal(err)
				}
			}
			if err := use(t.Context(), v, mount, v.Policy(t, less)); err == nil {
				t.Errorf("%s suffices without %s:\n%s", file, word, less)
			}
		}
	}
}

func TestATokenOfThePolicyReachesNothingElse(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount, other := v.Mount(t), v.Mount(t)
	root := v.Root()
	for _, path := range []string{mount + "/data/others/x", other + "/data/grants/x"} {
		if _, err := root.Logical().WriteWithContext(t.Context(), path, map[string]any{"data": map[string]any{"a": "b"}, "options": map[string]any{"cas": 0}}); err != nil {
			t.Fatal(err)
		}
	}
	app, err := root.Clone()
	if err != nil {
		t.Fatal(err)
	}
	app.SetToken(v.Policy(t, policies(t, mount, "app.hcl")))
	for _, path := range []string{
		mount + "/data/others/x", other + "/data/grants/x", mount + "/metadata/grants/x", mount + "/data/grants", "sys/mounts", "sys/policies/acl/root", "auth/token/lookup-self", other + "/config",
	} {
		if got, err := app.Logical().ReadWithContext(t.Context(), path); err == nil && got != nil {
			t.Errorf("the token reads %s: %v", path, got.Data)
		} else if err != nil && !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("reading %s = %v, want that it is denied", path, err)
		}
	}
	for _, path := range []string{mount + "/metadata/grants", mount + "/metadata/", "sys/policies/acl"} {
		if got, err := app.Logical().ListWithContext(t.Context(), path); err == nil && got != nil {
			t.Errorf("the token lists %s: %v", path, got.Data)
		}
	}
	if _, err := app.Logical().DeleteWithContext(t.Context(), mount+"/metadata/grants/x"); err == nil {
		t.Error("the token deletes")
	}
}
