package vault_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestAppRoleTokenIsRenewedAndThenReplaced(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	roleID, secretID := v.AppRole(t, policies(t, mount, "app.hcl"), 2*time.Second, 4*time.Second)
	s := open(t, vault.Config{Address: v.Address, Mount: mount}, vault.AppRole(roleID, secretFile(t, secretID)))
	version := ""
	for start := time.Now(); time.Since(start) < 9*time.Second; { // More than two of the longest lives.
		version = put(t, s, key, "value", version)
		if _, err := s.Get(t.Context(), key); err != nil {
			t.Fatalf("after %v Get = %v", time.Since(start), err)
		}
	}
}

func TestSecretIDIsReadAfreshAtEachLogIn(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	roleID, secretID := v.AppRole(t, policies(t, mount, "app.hcl"), time.Hour, time.Hour)
	file := secretFile(t, "not yet")
	login := vault.AppRole(roleID, file)
	if _, err := vault.Open(t.Context(), vault.Config{Address: v.Address, Mount: mount}, login); !errors.Is(err, vault.ErrDenied) || strings.Contains(err.Error(), "not yet") {
		t.Fatalf("Open with a wrong secret id = %v, want ErrDenied that does not show it", err)
	}
	if err := os.WriteFile(file, []byte(secretID), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, vault.Config{Address: v.Address, Mount: mount}, login)
	put(t, s, key, "value", "")
}

// secure is a Vault behind TLS, whose certificate is for example.com and signed by what stands in caFile.
func secure(t *testing.T) (address, caFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"data":{"value":"v","write_id":"w"},"metadata":{"version":1}}}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // It speaks of handshakes that fail on purpose.
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, secretFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

func TestCertificatesAreCheckedAgainstTheSettings(t *testing.T) {
	t.Parallel()
	address, caFile := secure(t)
	for name, c := range map[string]struct {
		cfg  vault.Config
		says string
	}{
		"its CA":            {vault.Config{CACertFile: caFile}, ""},
		"its CA and a name": {vault.Config{CACertFile: caFile, TLSServerName: "example.com"}, ""},
		"no CA":             {vault.Config{}, "failed to verify certificate"},
		"another name":      {vault.Config{CACertFile: caFile, TLSServerName: "vault.elsewhere"}, "failed to verify certificate"},
	} {
		c.cfg.Address = address
		_, err := open(t, c.cfg, firstThen("hvs.test", nil)).Get(t.Context(), key)
		if (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: Get = %v, want that it says %q", name, err, c.says)
		}
	}
	_, err := vault.Open(t.Context(), vault.Config{Address: address, CACertFile: caFile + "x"}, firstThen("hvs.test", nil))
	if !errors.Is(err, vault.ErrSetup) || !strings.Contains(err.Error(), "CACertFile") {
		t.Errorf("Open without the CA's file = %v, want ErrSetup that names it", err)
	}
}

// What some part of the program did to the transport that all share must not reach Vault's.
//
//nolint:paralleltest // It changes the process's default transport.
func TestDefaultTransportsTLSSettingsAreNotHeeded(t *testing.T) {
	address, _ := secure(t)
	shared := http.DefaultTransport
	careless := shared.(*http.Transport).Clone()
	careless.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	http.DefaultTransport = careless
	t.Cleanup(func() { http.DefaultTransport = shared })
	s := open(t, vault.Config{Address: address}, firstThen("hvs.test", nil))
	if _, err := s.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), "failed to verify certificate") {
		t.Errorf("Get from a server that anybody could be = %v", err)
	}
}

// Vault Enterprise: a standby that has not seen the store's own write must be told of it.
func TestOpensOwnClientReadsItsOwnWrites(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("X-Vault-Index")
		w.Header().Set("X-Vault-Index", base64.StdEncoding.EncodeToString([]byte("v1:cluster:7:0:mac")))
		_, _ = io.WriteString(w, `{"data":{"version":1,"data":{"value":"v","write_id":"w"},"metadata":{"version":1}}}`)
	}))
	t.Cleanup(server.Close)
	s := open(t, vault.Config{Address: server.URL}, firstThen("hvs.test", nil))
	put(t, s, key, "value", "")
	if _, err := s.Get(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if before, after := <-seen, <-seen; before != "" || after == "" {
		t.Errorf("X-Vault-Index of the write %q, of the read after it %q", before, after)
	}
}

// Somebody revokes tokens: the next request logs in afresh, and does not fail.
func TestRevokedTokenIsReplacedByTheRequestThatMeetsIt(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	policy := policies(t, mount, "app.hcl")
	var token atomic.Value
	logins := new(atomic.Int64)
	s := open(t, vault.Config{Address: v.Address, Mount: mount}, func(context.Context, *api.Client) (*api.Secret, error) {
		logins.Add(1)
		token.Store(v.Policy(t, policy))
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: token.Load().(string), LeaseDuration: 3600, Renewable: true}}, nil
	})
	version := put(t, s, key, "value", "")
	if err := v.Root().Auth().Token().RevokeTreeWithContext(t.Context(), token.Load().(string)); err != nil {
		t.Fatal(err)
	}
	put(t, s, key, "next", version)
	if n := logins.Load(); n != 2 {
		t.Errorf("%d log-ins, want 2", n)
	}
}

func TestPolicyThatIsTooSmallIsAnErrorAndNoLoginLoop(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	token := v.Policy(t, "")
	logins := new(atomic.Int64)
	s := open(t, vault.Config{Address: v.Address, Mount: mount}, func(context.Context, *api.Client) (*api.Secret, error) {
		logins.Add(1)
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
	})
	for range 50 {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrDenied) || !strings.Contains(err.Error(), "app.hcl") {
			t.Fatalf("Get = %v, want ErrDenied that says what to do", err)
		} else if !strings.Contains(err.Error(), "mount "+mount+" and prefix "+vault.DefaultPrefix) || strings.Contains(err.Error(), "583231") {
			t.Fatalf("Get = %v, want the mount and the prefix, and no user", err)
		}
	}
	if n := logins.Load(); n > 2 {
		t.Errorf("%d log-ins for 50 requests that were denied", n)
	}
}

// The environment is a person's, with a token and an address for their shell.
//
//nolint:paralleltest // It sets the environment.
func TestEnvironmentIsNotHeeded(t *testing.T) {
	v := vaulttest.Start(t)
	for name, value := range map[string]string{
		"VAULT_TOKEN": "hvs.of-a-shell", "VAULT_ADDR": "https://elsewhere.example", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_WRAP_TTL": "60s",
		"VAULT_NAMESPACE": "shell", "VAULT_SKIP_VERIFY": "true", "VAULT_CLIENT_TIMEOUT": "1ns", "VAULT_MAX_RETRIES": "9", "VAULT_HEADERS": `{"X-Of-A-Shell":"1"}`,
		"VAULT_PROXY_ADDR": "http://127.0.0.1:1", "VAULT_RATE_LIMIT": "0.0001:1",
	} {
		t.Setenv(name, value)
	}
	s, _ := rooted(t, v)
	put(t, s, key, "value", "")
	if e, err := s.Get(t.Context(), key); err != nil || string(e.Value) != "value" {
		t.Errorf("Get = %q, %v", e.Value, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
}

func TestClientOfTheAppThatWrapsItsAnswersIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	owned, mount := rooted(t, v)
	put(t, owned, key, "value", "")
	client := v.Root()
	client.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	s, err := vault.New(client, vault.Config{Mount: mount})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, vault.ErrSetup) || !strings.Contains(err.Error(), "VAULT_WRAP_TTL") {
		t.Errorf("Get = %v, want ErrSetup that says where it comes from", err)
	}
}

func TestConfigFromEnvIsAskedForAndNamesAllThatIsMissing(t *testing.T) {
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT", "VAULT_TLS_SERVER_NAME", "GHLOGIN_VAULT_MOUNT"} {
		t.Setenv(name, "")
	}
	t.Setenv("GHLOGIN_VAULT_PREFIX", "../etc")
	_, _, err := vault.ConfigFromEnv()
	for _, want := range []string{"VAULT_ADDR", "VAULT_TOKEN", "GHLOGIN_VAULT_PREFIX"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ConfigFromEnv = %v, want that it names %s", err, want)
		}
	}
	t.Setenv("VAULT_ADDR", "https://vault.example.com:8200")
	t.Setenv("VAULT_TOKEN", "hvs.x")
	t.Setenv("GHLOGIN_VAULT_PREFIX", "apps/one")
	if cfg, login, err := vault.ConfigFromEnv(); err != nil || login == nil || cfg.Prefix != "apps/one" || cfg.Address != "https://vault.example.com:8200" {
		t.Errorf("ConfigFromEnv = %+v, %v", cfg, err)
	}
}

func TestAddressesThatShowTokensAreRefused(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"": "scheme, host and port", "vault.example.com:8200": "scheme, host and port", "ftp://vault.example.com": "scheme, host and port",
		"http://vault.example.com:8200": "in the clear", "https://user:hunter2@vault.example.com": "scheme, host and port", "https://vault.example.com/v1": "scheme, host and port",
	} {
		_, err := vault.Open(t.Context(), vault.Config{Address: address}, vault.Token("hvs.x"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open at %q = %v, want that it says %q", address, err, want)
		}
	}
}

// For a program that says all that is wrong with its settings at once: what Open would refuse, without a call.
func TestValidateNamesAllThatOpenWouldRefuse(t *testing.T) {
	t.Parallel()
	err := vault.Config{Address: "http://vault.example.com", Mount: "/ghlogin", Prefix: "../others", Timeout: -time.Second}.Validate()
	for _, want := range []string{"write https://vault.example.com", "Mount", "Prefix", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want that it says %q", err, want)
		}
	}
	for _, good := range []vault.Config{
		{Address: "https://vault.example.com:8200"}, {Address: "http://127.0.0.1:8200"}, {Address: "http://vault", AllowPlainHTTP: true, Mount: "kv/team", Prefix: "apps/one"},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("Validate of %+v = %v", good, err)
		}
	}
}

func TestAbsentVaultAtStartIsASentenceWithinTheTimeout(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err := vault.Open(t.Context(), vault.Config{Address: gone.URL, Timeout: time.Second}, vault.AppRole("role", secretFile(t, "secret")))
	if err == nil || strings.Contains(err.Error(), "goroutine") || strings.Contains(err.Error(), "secret\n") {
		t.Errorf("Open = %v", err)
	}
}

func TestJWTAndKubernetesLogInWithTheirTokenFilesReadAfresh(t *testing.T) {
	t.Parallel()
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.Header.Get("X-Vault-Token") != "" {
			t.Errorf("a log-in carries a token")
		}
		seen = append(seen, r.URL.Path+" "+body["role"]+" "+body["jwt"])
		_, _ = fmt.Fprintf(w, `{"auth":{"client_token":"hvs.%d"}}`, len(seen))
	}))
	t.Cleanup(server.Close)
	file := secretFile(t, "jwt-one")
	login := vault.JWT("k8s/east", "web", file)
	open(t, vault.Config{Address: server.URL}, login)
	if err := os.WriteFile(file, []byte("jwt-two"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, vault.Config{Address: server.URL}, login)
	if got := strings.Join(seen, ", "); got != "/v1/auth/k8s/east/login web jwt-one, /v1/auth/k8s/east/login web jwt-two" {
		t.Errorf("log-ins: %s", got)
	}
}

func TestSpansAndCountersForEachOperation(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	spans := tracetest.NewSpanRecorder()
	reader := metric.NewManualReader()
	mount := v.Mount(t)
	s := open(t, vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken),
		vault.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))),
		vault.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	put(t, s, key, "a-value", "")
	_, _ = s.Put(t.Context(), key, store.Entry{})
	_, _ = s.Get(t.Context(), key)
	_, _ = s.Get(t.Context(), "github.com/1")
	_ = s.Delete(t.Context(), key)

	var names []string
	for _, span := range spans.Ended() {
		names = append(names, span.Name()+" "+span.Attributes()[0].Value.AsString())
	}
	want := "ghlogin.vault put ok,ghlogin.vault put conflict,ghlogin.vault get ok,ghlogin.vault get not_found,ghlogin.vault delete ok"
	if got := strings.Join(names, ","); got != want {
		t.Errorf("spans: %s", got)
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ghlogin.vault.operations", "ghlogin.vault.duration"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no metric %s", want)
		}
	}
	for _, secret := range []string{v.RootToken + `"`, "a-value", "583231"} {
		if strings.Contains(string(text), secret) || strings.Contains(fmt.Sprint(spans.Ended()), secret) {
			t.Errorf("spans or metrics show %q", secret)
		}
	}
}

func TestNothingPrintsTheToken(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":["permission denied"]}`)
	}))
	t.Cleanup(server.Close)
	s := open(t, vault.Config{Address: server.URL}, vault.Token("hvs.very-secret"))
	_, err := s.Get(t.Context(), key)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(strings.Repeat(verb, 3), s, *s, err); strings.Contains(text, "very-secret") {
			t.Errorf("%s shows the token: %s", verb, text)
		}
	}
}
