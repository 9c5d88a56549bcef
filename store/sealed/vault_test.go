package sealed_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/sealed"
	"github.com/ghlogin/ghlogin/store/storetest"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestConformanceOverVault(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Open {
		t.Helper()
		mount, key := v.Mount(t), newKey(t)
		return func(t *testing.T) store.Store {
			t.Helper()
			inner, err := vault.Open(t.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = inner.Close(context.WithoutCancel(t.Context())) })
			st, err := sealed.New(inner, []sealed.Key{key})
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
	})
}

func TestVaultHoldsNothingThatCanBeRead(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	inner, err := vault.Open(t.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close(context.WithoutCancel(t.Context())) })
	st, err := sealed.New(inner, []sealed.Key{newKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Put(t.Context(), "github.com/583231", store.Entry{Value: []byte("ghu_secret")}); err != nil {
		t.Fatal(err)
	}
	kv, err := v.Root().KVv2(mount).Get(t.Context(), "grants/github.com/583231")
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := kv.Data["value"].(string); !strings.HasPrefix(text, `{"sealed":1,`) || strings.Contains(text, "secret") {
		t.Errorf("an operator reads %q", text)
	}
}

// A mistyped mount must not read as "all sealed anew": the old key would be taken out.
func TestResealOfAMissingMountFails(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	inner, err := vault.Open(t.Context(), vault.Config{Address: v.Address, Mount: "nowhere"}, vault.Token(v.RootToken))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close(context.WithoutCancel(t.Context())) })
	st, err := sealed.New(inner, []sealed.Key{newKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := st.Reseal(t.Context()); n != 0 || !errors.Is(err, vault.ErrSetup) {
		t.Errorf("Reseal = %d, %v, want ErrSetup", n, err)
	}
}
