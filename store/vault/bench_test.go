package vault_test

import (
	"crypto/rand"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

// value is as large as a grant.
var value = make([]byte, 900)

func init() { //nolint:gochecknoinits // Text, as a grant is.
	for i := range value {
		value[i] = 'x'
	}
}

// BenchmarkGet reads by the store, and the same secret straight by vault/api: `make bench-vault` prints
// the ratio.
func BenchmarkGet(b *testing.B) {
	v := vaulttest.Start(b)
	s, mount, client := benchStore(b, v)
	if _, err := s.Put(b.Context(), key, store.Entry{Value: value}); err != nil {
		b.Fatal(err)
	}
	b.Run("by=store", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=api", func(b *testing.B) {
		kv := client.KVv2(mount)
		for b.Loop() {
			if _, err := kv.Get(b.Context(), "grants/"+key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPut writes by the store, and the same secret straight by vault/api.
func BenchmarkPut(b *testing.B) {
	v := vaulttest.Start(b)
	s, mount, client := benchStore(b, v)
	b.Run("by=store", func(b *testing.B) {
		version := ""
		if e, err := s.Get(b.Context(), key); err == nil {
			version = e.Version
		}
		for b.Loop() {
			var err error
			if version, err = s.Put(b.Context(), key, store.Entry{Value: value, Version: version}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=api", func(b *testing.B) {
		kv, version := client.KVv2(mount), 0
		if now, err := kv.Get(b.Context(), "grants/github.com/other"); err == nil {
			version = now.VersionMetadata.Version
		}
		for b.Loop() {
			now, err := kv.Put(b.Context(), "grants/github.com/other", map[string]any{"value": string(value), "write_id": rand.Text()}, api.WithCheckAndSet(version))
			if err != nil {
				b.Fatal(err)
			}
			version = now.VersionMetadata.Version
		}
	})
}

func benchStore(b *testing.B, v *vaulttest.Server) (*vault.Store, string, *api.Client) {
	b.Helper()
	mount := v.Mount(b)
	s, err := vault.Open(b.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(b.Context()) })
	return s, mount, v.Root()
}
