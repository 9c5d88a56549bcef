package vault_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/storetest"
	"github.com/ghlogin/ghlogin/store/vault"
)

// The whole contract, with the policies that the documentation hands out, each handle a client of its
// own.
func TestConformanceUnderThePolicies(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Open {
		t.Helper()
		mount := v.Mount(t)
		token := v.Policy(t, policies(t, mount, "app.hcl", "sweep.hcl"))
		return func(t *testing.T) store.Store {
			t.Helper()
			return open(t, vault.Config{Address: v.Address, Mount: mount}, vault.Token(token))
		}
	})
}

func TestAnOperatorCanReadWhatIsStored(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, mount := rooted(t, v)
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if _, err := s.Put(t.Context(), key, store.Entry{Value: []byte(`{"user":"octocat"}`), Expires: expires}); err != nil {
		t.Fatal(err)
	}
	kv, err := v.Root().KVv2(mount).Get(t.Context(), "grants/"+key)
	if err != nil {
		t.Fatal(err)
	}
	if kv.Data["value"] != `{"user":"octocat"}` || kv.Data["expires"] != "2030-01-02T03:04:05Z" {
		t.Errorf("an operator reads %v", kv.Data)
	}
}

func TestNoOldVersionIsLeftNorCanBeBroughtBack(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, mount := rooted(t, v)
	version := put(t, s, key, "first token", "")
	version = put(t, s, key, "second token", version)
	put(t, s, key, "", version)

	kv, ctx, path := v.Root().KVv2(mount), t.Context(), "grants/"+key
	if err := kv.Undelete(ctx, path, []int{1, 2, 3}); err != nil {
		t.Logf("Undelete = %v", err)
	}
	for old := 1; old <= 3; old++ {
		got, err := kv.GetVersion(ctx, path, old)
		if err == nil && strings.Contains(fmt.Sprint(got.Data), "token") {
			t.Errorf("version %d can still be read: %v", old, got.Data)
		}
	}
	if err := s.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	if err := kv.Undelete(ctx, path, []int{1, 2, 3}); err != nil {
		t.Logf("Undelete = %v", err)
	}
	if got, err := kv.Get(ctx, path); err == nil && got.Data != nil {
		t.Errorf("a deleted grant was brought back: %v", got.Data)
	}
	if meta, err := kv.GetMetadata(ctx, path); err == nil {
		t.Errorf("its metadata is left: %+v", meta)
	}
}

// `vault kv delete` hides the newest version and goes on counting: check-and-set with "nothing there"
// would fail for ever, and so would every sign-in of that user.
func TestUserWhoseSecretWasDeletedByHandCanSignInAgain(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, mount := rooted(t, v)
	put(t, s, key, "value", put(t, s, key, "value", ""))
	if err := v.Root().KVv2(mount).Delete(t.Context(), "grants/"+key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get = %v, want ErrNotFound", err)
	}
	put(t, s, key, "signed in again", "")
	if e, err := s.Get(t.Context(), key); err != nil || string(e.Value) != "signed in again" {
		t.Errorf("Get = %q, %v", e.Value, err)
	}
}

func TestKeysThatLeadOutOfThePrefixAreRefused(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, _ := rooted(t, v)
	for _, bad := range []string{"", "..", "a/../b", "./a", "a/.", "/a", "a/", "a//b", "a b", "a\nb", "a?b", "a%2f..", "ä", strings.Repeat("k", 256)} {
		_, getErr := s.Get(t.Context(), bad)
		_, putErr := s.Put(t.Context(), bad, store.Entry{})
		for name, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": s.Delete(t.Context(), bad)} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s(%q) = %v, want that it is refused", name, bad, err)
			}
		}
	}
}

// dropAnswer is a proxy before Vault that carries out the first write and drops its answer.
func dropAnswer(t *testing.T, v *vaulttest.Server) (address string, writes *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(v.Address)
	if err != nil {
		t.Fatal(err)
	}
	writes = new(atomic.Int64)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/") && writes.Add(1) == 1 {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, writes
}

func TestWriteThatTheClientSentTwiceIsNoConflictWithItself(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	address, writes := dropAnswer(t, v)
	client, err := api.NewClient(&api.Config{Address: address, MaxRetries: 2, MinRetryWait: time.Millisecond, MaxRetryWait: 2 * time.Millisecond, HttpClient: &http.Client{Transport: &http.Transport{}}})
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(v.RootToken)
	s, err := vault.New(client, vault.Config{Mount: v.Mount(t)})
	if err != nil {
		t.Fatal(err)
	}
	version := put(t, s, key, "value", "")
	if writes.Load() != 2 {
		t.Errorf("the write was sent %d times, want 2, or this shows nothing", writes.Load())
	}
	put(t, s, key, "next", version)
}

func TestOpensOwnClientSendsAWriteOnce(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	address, writes := dropAnswer(t, v)
	s := open(t, vault.Config{Address: address, Mount: v.Mount(t)}, vault.Token(v.RootToken))
	_, err := s.Put(t.Context(), key, store.Entry{Value: []byte("value")})
	if !errors.Is(err, vault.ErrUnavailable) || writes.Load() != 1 {
		t.Errorf("Put = %v after %d writes, want ErrUnavailable after 1", err, writes.Load())
	}
	if e, err := s.Get(t.Context(), key); err != nil || string(e.Value) != "value" {
		t.Errorf("Get = %q, %v; want what was written", e.Value, err)
	}
}

func TestSweepDeletesWhatHasLongExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, mount := rooted(t, v)
	now := time.Now()
	for k, expires := range map[string]time.Time{
		"github.com/1": now.Add(-2 * time.Hour), "github.com/2": now.Add(-time.Minute), "github.com/3": now.Add(time.Hour), "github.com/4": {},
		"github.acme.example:8443/5": now.Add(-2 * time.Hour), "github.com/6": {},
	} {
		if _, err := s.Put(t.Context(), k, store.Entry{Value: []byte("v"), Expires: expires}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Root().KVv2(mount).Delete(t.Context(), "grants/github.com/6"); err != nil {
		t.Fatal(err)
	}
	sweeper := open(t, vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.Policy(t, policies(t, mount, "sweep.hcl"))))
	n, err := sweeper.Sweep(t.Context())
	if err != nil || n != 3 {
		t.Errorf("Sweep = %d, %v; want 3", n, err)
	}
	var left []string
	for k, err := range sweeper.Keys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, k)
	}
	if got := strings.Join(left, " "); got != "github.com/2 github.com/3 github.com/4" {
		t.Errorf("left: %s", got)
	}
}

// A secret that somebody else put there is not taken for an absent one.
func TestForeignSecretIsAnErrorAndIsNotOverwritten(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	s, mount := rooted(t, v)
	if _, err := v.Root().KVv2(mount).Put(t.Context(), "grants/"+key, map[string]any{"password": "hunter2"}, api.WithCheckAndSet(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrSetup) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Get = %v, want ErrSetup that shows nothing", err)
	}
	if _, err := s.Put(t.Context(), key, store.Entry{Value: []byte("v")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put = %v, want ErrConflict", err)
	}
}

func TestSilentVaultIsAnOutageWithinTheTimeout(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-over
	}))
	t.Cleanup(func() { close(over); server.Close() })
	s := open(t, vault.Config{Address: server.URL, Timeout: 50 * time.Millisecond}, firstThen("hvs.test", nil))
	_, err := s.Get(t.Context(), key)
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Get = %v, want ErrUnavailable", err)
	}
	server.CloseClientConnections()
}
