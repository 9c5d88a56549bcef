package vault_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

// open opens a store as another process would, and closes it with the test.
func open(t *testing.T, cfg vault.Config, login vault.Login, opts ...vault.Option) *vault.Store {
	t.Helper()
	s, err := vault.Open(t.Context(), cfg, login, opts...)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

var comment = regexp.MustCompile(`(?m)^#.*\n`)

// policies returns the rules of the policy files, for a mount.
func policies(t *testing.T, mount string, files ...string) string {
	t.Helper()
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rules := comment.ReplaceAllString(string(text), "")
		all = append(all, strings.ReplaceAll(rules, `"ghlogin/`, `"`+mount+`/`))
	}
	return strings.Join(all, "\n")
}

// secretFile keeps a credential in a file.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rooted is a store of a mount of its own, with the root token.
func rooted(t *testing.T, v *vaulttest.Server) (s *vault.Store, mount string) {
	t.Helper()
	mount = v.Mount(t)
	return open(t, vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken)), mount
}

func put(t *testing.T, s store.Store, key, value, version string) string {
	t.Helper()
	version, err := s.Put(t.Context(), key, store.Entry{Value: []byte(value), Version: version})
	if err != nil {
		t.Fatalf("Put = %v", err)
	}
	return version
}

// limit bounds how long a test waits for what must come.
const limit = 20 * time.Second

// within fails the test if what is waited for does not come.
func within[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(limit):
		t.Fatalf("after %v: no %s", limit, what)
	}
	return v
}

// firstThen is a Login that gives a token at once, and later what next does.
func firstThen(token string, next vault.Login) vault.Login {
	opened := new(atomic.Bool)
	return func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		if opened.CompareAndSwap(false, true) {
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
		}
		return next(ctx, c)
	}
}

const key = "github.com/583231"
