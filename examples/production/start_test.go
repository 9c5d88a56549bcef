package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// runToEnd runs the program, which must end by itself within the start's time-out, and returns its status and what it told a
// person.
func runToEnd(t *testing.T, env []string) (status int, told string) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout+10*time.Second)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, bin)
	cmd.Env, cmd.Stderr = env, &stderr
	_ = cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("the program did not end in time")
	}
	if strings.Contains(stderr.String(), "goroutine ") {
		t.Errorf("a stack trace:\n%s", stderr.String())
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

func TestAllThatIsWrongWithTheEnvironmentIsOneMessage(t *testing.T) {
	t.Parallel()
	status, told := runToEnd(t, []string{"SESSIONS=carrier-pigeon", "VAULT_ROLE_ID=x", "VAULT_KUBERNETES_ROLE=y", "GITHUB_REDIRECT_URL=ftp://x"})
	for _, want := range []string{
		"GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "redirect url", "COOKIE_KEY_FILE", "VAULT_ADDR", "both set", `SESSIONS is "carrier-pigeon"`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no word of %s in:\n%s", want, told)
		}
	}
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

// What is there but can't be right is in the same message, and not found at the next start.
func TestSettingsThatCantBeRightAreInTheSameMessage(t *testing.T) {
	t.Parallel()
	status, told := runToEnd(t, []string{
		"GITHUB_CLIENT_ID=Iv23liExample", "GITHUB_CLIENT_SECRET=a-client-secret", "GITHUB_REDIRECT_URL=https://app.example/auth/github/callback",
		"COOKIE_KEY_FILE=" + file(t, "short"), "VAULT_ADDR=http://vault.example.com", "VAULT_ROLE_ID=x", "VAULT_SECRET_ID_FILE=/nope",
	})
	for _, want := range []string{
		"COOKIE_KEY_FILE: key 1 has 5 bytes", "VAULT_ADDR", "write https://vault.example.com", "VAULT_SECRET_ID_FILE", "REDIS_URL is not set",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no word of %s in:\n%s", want, told)
		}
	}
	if status != 1 || strings.Contains(told, "could not build arguments") || strings.Contains(told, "short") {
		t.Errorf("status %d:\n%s", status, told)
	}
}

func TestEmptyKeyFileAndVaultWithoutSchemeNameTheirSettings(t *testing.T) {
	t.Parallel()
	status, told := runToEnd(t, []string{"COOKIE_KEY_FILE=" + file(t, ""), "VAULT_ADDR=vault.example.com:8200"})
	for _, want := range []string{"COOKIE_KEY_FILE: the file is empty", "VAULT_ADDR, VAULT_MOUNT: the address is not one of a Vault"} {
		if !strings.Contains(told, want) {
			t.Errorf("no word of %s in:\n%s", want, told)
		}
	}
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

func TestAbsentVaultOrRedisIsASentence(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	env := []string{
		"GITHUB_CLIENT_ID=x", "GITHUB_CLIENT_SECRET=very-secret", "GITHUB_REDIRECT_URL=https://app.example/auth/github/callback",
		"COOKIE_KEY_FILE=" + file(t, strings.Repeat("k", 32)), "VAULT_ROLE_ID=role", "VAULT_SECRET_ID_FILE=" + file(t, "secret-id"),
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
	}
	for want, more := range map[string][]string{
		"vault is not available":           {"VAULT_ADDR=" + gone.URL, "SESSIONS=cookie"},
		"does not answer, check REDIS_URL": {"VAULT_ADDR=" + gone.URL, "SESSIONS=redis", "REDIS_URL=unix:///nowhere/redis"},
		"REDIS_URL is not one of a Redis":  {"VAULT_ADDR=" + gone.URL, "REDIS_URL=http://:very-secret@x"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			status, told := runToEnd(t, append(slices.Clone(env), more...))
			if status != 1 || !strings.Contains(told, want) && !strings.Contains(told, "vault is not available") || strings.Contains(told, "very-secret") {
				t.Errorf("status %d: %s", status, told)
			}
		})
	}
}

func TestMetricsReadAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "cookie")
	r := w.start(t)
	w.balancer.use(r)
	w.crowd(t)
	text := get(t, r.admin+"/metrics")
	for _, want := range []string{
		"ghlogin_events_total", "ghlogin_pairs_held", "ghlogin_grants_kept", "ghlogin_lookups_total", "ghlogin_vault_operations_total", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no metric %s", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "ghlogin") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestReadinessNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "cookie")
	good := w.start(t)
	if text := get(t, good.admin+"/readyz"); !strings.Contains(text, `"vault":"ok"`) || !strings.Contains(text, `"github_credentials":"ok"`) {
		t.Errorf("a replica that is ready says %s", text)
	}
	// A mistyped secret stops a roll-out: the new replica never gets ready, and the old ones go on.
	wrong := w.launch(t, "GITHUB_CLIENT_SECRET=mistyped")
	if text := get(t, wrong.admin+"/readyz"); wrong.isReady(t.Context()) || !strings.Contains(text, "incorrect_client_credentials") || strings.Contains(text, "mistyped") {
		t.Errorf("a replica with a wrong client secret says %s", text)
	}
}

// A secret that GitHub takes no more is said, and is no reason to send nobody to any replica.
func TestRefusedSecretTakesNoReplicaOutThatHadAGoodOne(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable} {
		var log strings.Builder
		registry := prometheus.NewRegistry()
		h := newHealth(pingable{memory.New()}, nil, nil, slog.New(slog.NewTextHandler(&log, nil)), registry)
		h.accepted, h.refused, h.askAt = accepted, errors.New("refused"), time.Now().Add(time.Hour)
		for range 3 {
			rec := httptest.NewRecorder()
			h.ready(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if rec.Code != want || !strings.Contains(rec.Body.String(), "refused") {
				t.Errorf("accepted before %t: %d %s, want %d", accepted, rec.Code, rec.Body, want)
			}
		}
		if page := metricsPage(t, registry); !strings.Contains(page, `app_ready{part="github_credentials"} 0`) || !strings.Contains(page, `app_ready{part="vault"} 1`) {
			t.Errorf("the metrics don't say which part is not well:\n%s", page)
		}
		h.refused = nil
		h.ready(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if told := log.String(); strings.Count(told, "not well") != 1 || strings.Count(told, "well again") != 1 {
			t.Errorf("the log should say once that it is bad, and once that it is good again:\n%s", told)
		}
		if page := metricsPage(t, registry); !strings.Contains(page, `app_ready{part="github_credentials"} 1`) {
			t.Errorf("the metrics don't say that all is well again:\n%s", page)
		}
	}
}

// Who looks at /readyz and hangs up learns nothing about Vault, and a replica that is told to stop is not unwell: neither is
// an alarm.
func TestHungUpProbeAndStopAreNoAlarm(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	registry := prometheus.NewRegistry()
	h := newHealth(pingable{memory.New()}, nil, nil, slog.New(slog.NewTextHandler(&log, nil)), registry)
	h.accepted, h.askAt = true, time.Now().Add(time.Hour)
	ask := func(ctx context.Context) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ready(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
		return rec
	}
	if rec := ask(t.Context()); rec.Code != http.StatusOK {
		t.Fatalf("a replica that is well says %d %s", rec.Code, rec.Body)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	ask(gone)
	h.leaving = true
	if rec := ask(t.Context()); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "stopping") {
		t.Errorf("a replica that stops says %d %s", rec.Code, rec.Body)
	}
	if page := metricsPage(t, registry); log.Len() > 0 || strings.Contains(page, "} 0") || !strings.Contains(page, `app_ready{part="vault"} 1`) {
		t.Errorf("the log:\n%s\nthe metrics:\n%s", log.String(), page)
	}
}

// pingable is a store that answers whoever still waits for it.
type pingable struct{ store.Store }

func (pingable) Ping(ctx context.Context) error { return ctx.Err() }

// metricsPage is what Prometheus would read.
func metricsPage(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}
