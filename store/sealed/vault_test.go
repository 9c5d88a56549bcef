package sealed_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// What docs/vault.md says of a key's replacement, with the policies that it hands out, while users come and go.
func TestKeyIsReplacedOnVaultWhileReplicasWrite(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount, old, young := v.Mount(t), newKey(t), newKey(t)
	over := func(files ...string) store.Store {
		t.Helper()
		var rules strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join("..", "vault", file))
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString(strings.ReplaceAll(string(text), `"ghlogin/`, `"`+mount+`/`))
		}
		inner, err := vault.Open(t.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.Policy(t, rules.String())))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = inner.Close(context.WithoutCancel(t.Context())) })
		return inner
	}
	server := over("app.hcl")
	replicas := []store.Store{seal(t, server, old, young), seal(t, server, young, old)} // In the middle of step 2.
	keys := []string{"github.com/1", "github.com/2", "github.com/3", "github.com/4"}
	for _, key := range keys {
		put(t, replicas[0], key, "")
	}
	const writers, each = 4, 12
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for n := range each {
				add(t, replicas[i%2], keys[n%len(keys)])
			}
		})
	}
	job := seal(t, over("app.hcl", "sweep.hcl"), young, old)
	if _, err := job.Reseal(t.Context()); err != nil && !errors.Is(err, store.ErrConflict) {
		t.Errorf("Reseal beside the writers = %v", err)
	}
	writing.Wait()
	if _, err := job.Reseal(t.Context()); err != nil {
		t.Errorf("Reseal = %v", err)
	}
	if n, err := job.Reseal(t.Context()); n != 0 || err != nil {
		t.Errorf("Reseal of what is sealed anew = %d, %v", n, err)
	}
	updates := 0
	for _, key := range keys {
		updates += len(get(t, seal(t, server, young), key).Value)
	}
	if updates != writers*each {
		t.Errorf("%d of %d updates are left", updates, writers*each)
	}
}
