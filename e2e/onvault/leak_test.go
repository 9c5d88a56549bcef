package onvault_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ghlogin/ghlogin/e2e/onvault"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/vault"
)

// observers are all that sees the library from outside.
type observers struct {
	log, errors output
	spans       *tracetest.InMemoryExporter
	metrics     *sdkmetric.ManualReader
}

// watch has o see everything of a site.
func (o *observers) watch(set *onvault.Settings) {
	log := slog.New(slog.NewJSONHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	o.spans, o.metrics = tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	set.StoreOptions = append(set.StoreOptions, vault.WithLogger(log),
		vault.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(o.spans))),
		vault.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.metrics))))
	set.Options = append(set.Options, middleware.WithLogger(log), middleware.WithErrorHandler(
		func(rw http.ResponseWriter, _ *http.Request, p *middleware.Problem) {
			o.record(p.Err)
			rw.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
			http.Error(rw, fmt.Sprintf("%v %+v %#v", p, p, p), p.Status())
		}))
}

// record writes an error down in every way that a program might, with all that it wraps.
func (o *observers) record(err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(&o.errors, "%T: %v\n%+v\n%#v\n%q\n", err, err, err, err, err)
	if text, jsonErr := json.Marshal(err); jsonErr == nil {
		o.errors.Write(text)
	}
	o.record(errors.Unwrap(err))
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			o.record(err)
		}
	}
}

// said returns everything that was seen, by where.
func (o *observers) said(t *testing.T) map[string]string {
	t.Helper()
	spans, err := json.Marshal(o.spans.GetSpans().Snapshots())
	if err != nil {
		t.Fatal(err)
	}
	var metrics metricdata.ResourceMetrics
	if err := o.metrics.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"log":     o.log.String(),
		"errors":  o.errors.String(),
		"spans":   string(spans) + fmt.Sprintf("%+v", o.spans.GetSpans()),
		"metrics": fmt.Sprintf("%+v", metrics),
	}
}

func TestNoTokenIsSeenAnywhere(t *testing.T) {
	t.Parallel()
	const tokenLife = 4 * time.Second
	v := vaulttest.Start(t, vaulttest.OnDisk(), vaulttest.WithAuditLog())
	w := newWorld(t, v, githubtest.App{TokenLife: tokenLife}, time.Hour, time.Hour)
	m := newMeter(t, w)
	var seen observers
	base := w.replica(t, func(set *onvault.Settings) {
		set.Vault.Address = m.address
		staleness(0)(set)
		seen.watch(set)
	})
	want := func(what string, p page, status int) {
		t.Helper()
		seen.errors.Write([]byte(p.body))
		if p.status != status {
			t.Errorf("%s: status %d, want %d", what, p.status, status)
		}
	}
	visitor := newVisitor(t)
	visitor.arrive(t, base)
	signedIn := time.Now()
	want("signed in", visitor.get(t, base+"/me"), http.StatusOK)

	// A refresh that GitHub fails, and one that works.
	remove := w.gh.Inject(githubtest.Fault{Match: githubtest.MatchGrantType("refresh_token"), Status: http.StatusBadGateway})
	if err := pass(t.Context(), tokenLife-time.Since(signedIn)); err != nil {
		t.Fatal(err)
	}
	want("GitHub is away", visitor.get(t, base+"/me"), http.StatusServiceUnavailable)
	remove()
	eventually(t, "the token is refreshed", func() bool { return visitor.get(t, base+"/me").status == http.StatusOK })

	// Vault forgets the token, then may not be asked, then is sealed, then is gone.
	tokens := m.seen()
	if err := v.Root().Auth().Token().RevokeTreeWithContext(t.Context(), tokens[len(tokens)-1]); err != nil {
		t.Fatal(err)
	}
	want("Vault's token was revoked", visitor.get(t, base+"/me"), http.StatusOK)
	if n := len(m.seen()); n != len(tokens)+1 {
		t.Errorf("%d tokens of Vault's were seen, want %d", n, len(tokens)+1)
	}
	stranger := newVisitor(t)
	v.Seal()
	want("Vault is sealed", visitor.get(t, base+"/me"), http.StatusServiceUnavailable)
	refused, err := stranger.do(t.Context(), http.MethodGet, base+"/auth/github/login", true)
	if err != nil {
		t.Fatal(err)
	}
	want("a sign-in while Vault is sealed", refused, http.StatusServiceUnavailable)
	want("a sign-out while Vault is sealed", visitor.signOut(t, base), http.StatusServiceUnavailable)
	v.Unseal()
	visitor.arrive(t, base)

	// A callback that was tampered with, and a site that can't start.
	want("a tampered callback", visitor.get(t, base+"/auth/github/callback?code=planted&state=planted"), http.StatusBadRequest)
	w.mustNotOpen(t, &seen, m.address)

	stored, err := v.Root().Logical().ReadWithContext(t.Context(), w.grantPath(octocat))
	if err != nil || stored == nil {
		t.Fatalf("read the grant: %v, %v", stored, err)
	}
	secrets := append(w.gh.Secrets(), w.secretID, v.RootToken)
	secrets = append(secrets, m.seen()...)
	secrets = append(secrets, visitor.cookies(t, base)...)
	if !slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(fmt.Sprint(stored.Data), secret) }) {
		t.Error("what stands in Vault holds no secret that this test knows, so it would find none elsewhere")
	}
	want("signed out", visitor.signOut(t, base), http.StatusSeeOther)

	said := seen.said(t)
	said["audit log"] = string(v.AuditLog())
	for where, words := range map[string][]string{
		"log":       {"signed in", "token refreshed", "token not refreshed", "logged in to vault afresh", "request failed"},
		"errors":    {"vault is not available", "vault denied the request", "Vault is sealed"},
		"spans":     {"ghlogin.vault get", "ghlogin.vault put", "unavailable"},
		"metrics":   {"ghlogin.vault.operations", "ghlogin.vault.duration"},
		"audit log": {w.grantPath(octocat), "auth/approle/login"},
	} {
		for _, word := range words {
			if !strings.Contains(said[where], word) {
				t.Errorf("the %s does not speak of %q, so searching it proves nothing", where, word)
			}
		}
	}
	searched := 0
	for where, text := range said {
		t.Logf("%d bytes of %s, %d secrets", len(text), where, len(secrets))
		for i, secret := range secrets {
			for _, form := range forms(secret) {
				searched++
				if strings.Contains(text, form) {
					t.Errorf("secret %d of %d (%.4s...) stands in the %s", i, len(secrets), secret, where)
				}
			}
		}
	}
	t.Logf("%d searches", searched)
}

// mustNotOpen records the errors of sites that can't start.
func (w *world) mustNotOpen(t *testing.T, seen *observers, address string) {
	t.Helper()
	wrong := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(wrong, []byte(w.secretID+"0"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, set := range map[string]onvault.Settings{
		"with another's secret id": {Vault: vault.Config{Address: address, Mount: w.mount}, SecretIDFile: wrong},
		"on another's mount":       {Vault: vault.Config{Address: address, Mount: w.mount + "x"}, SecretIDFile: w.secretIDFile},
	} {
		set.RoleID, set.SessionFolder = w.roleID, w.sessions
		site, err := onvault.Open(t.Context(), set)
		if err == nil {
			t.Errorf("a site opens %s", what)
			site.Close(t.Context())
		}
		seen.record(err)
	}
}

// forms are the ways in which a secret might be written.
func forms(secret string) []string {
	quoted := strconv.Quote(secret)
	return slices.Compact([]string{
		secret, url.QueryEscape(secret), quoted[1 : len(quoted)-1],
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	})
}

// cookies returns the values of the cookies that a browser has for a site.
func (v *visitor) cookies(t *testing.T, base string) (values []string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(u) {
		values = append(values, c.Value)
	}
	if len(values) == 0 {
		t.Error("the browser has no cookie")
	}
	return values
}
