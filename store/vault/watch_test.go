package vault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store/vault"
)

// renewals is a proxy before Vault that counts renewals, and answers those that trouble says something about.
func renewals(t *testing.T, v *vaulttest.Server, trouble func(n int64) (status int)) (address string, n *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(v.Address)
	if err != nil {
		t.Fatal(err)
	}
	n = new(atomic.Int64)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/renew-self") {
			if status := trouble(n.Add(1)); status != 0 {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"errors":["a moment"]}`)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, n
}

func TestTokenWhoseFirstRenewalMetAnOutageIsNotTakenForOneThatNeedsNone(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	token := v.Policy(t, policies(t, mount, "app.hcl"))
	address, n := renewals(t, v, func(n int64) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	cfg := vault.Config{Address: address, Mount: mount}
	if s, err := vault.Open(t.Context(), cfg, vault.Token(token)); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Open = %v, want ErrUnavailable", err)
		_ = s.Close(t.Context())
	}
	open(t, cfg, vault.Token(token))
	if n.Load() != 2 {
		t.Errorf("%d renewals, want 2", n.Load())
	}
}

// Vault Agent keeps such a token in a file: the store must come for the next one before this one ends.
func TestTokenThatCanNotBeRenewedIsReplacedBeforeItEnds(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	for _, kind := range []string{"service", "batch"} {
		renewable := false
		mint := func(ttl string) string {
			secret, err := v.Root().Auth().Token().CreateOrphanWithContext(t.Context(), &api.TokenCreateRequest{
				Policies: []string{"default"}, TTL: ttl, Renewable: &renewable, Type: kind,
			})
			if err != nil {
				t.Fatal(err)
			}
			return secret.Auth.ClientToken
		}
		var log lines
		file := secretFile(t, mint("3s"))
		open(t, vault.Config{Address: v.Address}, vault.TokenFile(file), vault.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err := os.WriteFile(file, []byte(mint("1h")), 0o600); err != nil {
			t.Fatal(err)
		}
		log.await(t, "logged in to vault again")
	}
}

// lines collects what is logged. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) await(t *testing.T, words string) {
	t.Helper()
	over := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		text := l.all.String()
		l.mu.Unlock()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("after %v no line %q in:\n%s", limit, words, text)
		}
	}
}

// Near its longest life each renewal gives less, and then Vault answers 500.
func TestTokenNearTheEndOfItsLifeIsNotRenewedInAHotLoop(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	policy := policies(t, mount, "app.hcl")
	for _, life := range []struct{ ttl, longest time.Duration }{{time.Second, 3 * time.Second}, {2 * time.Second, 4 * time.Second}} {
		address, n := renewals(t, v, func(int64) int { return 0 })
		roleID, secretID := v.AppRole(t, policy, life.ttl, life.longest)
		var log lines
		open(t, vault.Config{Address: address, Mount: mount}, vault.AppRole(roleID, secretFile(t, secretID)), vault.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		log.await(t, "logged in to vault again")
		if got := n.Load(); got == 0 || got > 12 {
			t.Errorf("ttl %v, max %v: %d renewals in one life, want a handful", life.ttl, life.longest, got)
		}
		t.Logf("ttl %v, max %v: %d renewals in one life", life.ttl, life.longest, n.Load())
	}
}

// One renewal meets an outage of a moment, the next gives a small part of the life that the token began with.
func TestRenewalThatFailsIsRepeatedAndOneThatGivesLittleIsTheLast(t *testing.T) {
	t.Parallel()
	renewals := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if renewals <- r.URL.Path; len(renewals) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"auth":{"client_token":"hvs.one","lease_duration":1,"renewable":true}}`)
	}))
	t.Cleanup(server.Close)
	logins, again := new(atomic.Int64), make(chan bool, 100)
	open(t, vault.Config{Address: server.URL}, func(context.Context, *api.Client) (*api.Secret, error) {
		if logins.Add(1) == 1 {
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.one", LeaseDuration: 6, Renewable: true}}, nil
		}
		again <- true
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: "hvs.two"}}, nil
	})
	within(t, again, "second log-in")
	if n := len(renewals); n != 2 {
		t.Errorf("%d renewals before the second log-in, want 2", n)
	}
}
