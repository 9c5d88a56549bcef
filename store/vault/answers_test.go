package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

// answering is a server that takes every token for one without an end, and gives one answer to all else.
func answering(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/renew-self"):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"errors":["lease is not renewable"]}`)
		case strings.HasSuffix(r.URL.Path, "/lookup-self"):
			_, _ = io.WriteString(w, `{"data":{"ttl":0,"expire_time":null}}`)
		default:
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestAnswersThatAreNoVaultsAreOutages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"sealed":              {http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`, vault.ErrUnavailable},
		"standby that lags":   {http.StatusPreconditionFailed, `{"errors":[]}`, vault.ErrUnavailable},
		"quota":               {http.StatusTooManyRequests, `{"errors":["rate limit quota exceeded"]}`, vault.ErrUnavailable},
		"DR secondary":        {472, `{"errors":[]}`, vault.ErrUnavailable},
		"performance standby": {473, `{"errors":[]}`, vault.ErrUnavailable},
		"broken":              {http.StatusInternalServerError, `{"errors":["internal error"]}`, vault.ErrUnavailable},
		"broken, with a body": {http.StatusInternalServerError, `{"data":{"data":null,"metadata":{"version":1}}}`, vault.ErrUnavailable},
		"proxy":               {http.StatusBadGateway, "<html>bad gateway</html>", vault.ErrUnavailable},
		"denied":              {http.StatusForbidden, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, vault.ErrDenied},
		"no such mount":       {http.StatusNotFound, `{"errors":["no handler for route \"x\""]}`, vault.ErrSetup},
		"no such path":        {http.StatusNotFound, `{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}`, vault.ErrSetup},
		"another 400":         {http.StatusBadRequest, `{"errors":["check-and-set parameter required for this call"]}`, vault.ErrSetup},
		"mismatch":            {http.StatusBadRequest, `{"errors":["check-and-set parameter did not match the current version"]}`, store.ErrConflict},
		"nothing there":       {http.StatusNotFound, `{"errors":[]}`, store.ErrNotFound},
		"deleted by hand":     {http.StatusNotFound, `{"data":{"data":null,"metadata":{"version":3}}}`, store.ErrNotFound},
		"garbage":             {http.StatusOK, "<html>welcome</html>", vault.ErrSetup},
		"KV version 1":        {http.StatusOK, `{"data":{"value":"secret"}}`, vault.ErrSetup},
		"text for a secret":   {http.StatusOK, `{"data":{"data":"x","metadata":{"version":1}}}`, vault.ErrSetup},
		"of a newer version":  {http.StatusOK, `{"data":{"data":{"value":"x","encoding":"zstd","write_id":"w"},"metadata":{"version":1}}}`, vault.ErrSetup},
		"wrapped":             {http.StatusOK, `{"wrap_info":{"token":"hvs.x"},"data":null}`, vault.ErrSetup},
	} {
		s := open(t, vault.Config{Address: answering(t, c.status, c.body).URL}, vault.Token("hvs.test"))
		if _, err := s.Get(t.Context(), key); !errors.Is(err, c.want) {
			t.Errorf("%s: Get = %v, want %v", name, err, c.want)
		}
	}
}

// What a proxy or gateway says while it has lost the way to Vault: read as "not found", it would sign everybody out.
var gateways = map[string]string{
	"nothing":         ``,
	"a page":          `<html>404</html>`,
	"a message":       `{"message":"no Route matched with those values"}`,
	"an empty object": `{}`,
	"null":            `null`,
	"null errors":     `{"errors":null}`,
	"problem JSON":    `{"title":"Not Found","status":404,"errors":{}}`,
	"a list, too":     `{"message":"Not Found","errors":[]}`,
	"data, too":       `{"errors":[],"data":{"data":{},"metadata":{"version":1}}}`,
}

func TestGatewaysNotFoundSignsNobodyOut(t *testing.T) {
	t.Parallel()
	for name, body := range gateways {
		s := open(t, vault.Config{Address: answering(t, http.StatusNotFound, body).URL}, vault.Token("hvs.test"))
		_, getErr := s.Get(t.Context(), key)
		_, putErr := s.Put(t.Context(), key, store.Entry{})
		for what, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": s.Delete(t.Context(), key), "Keys": firstKey(t, s), "Ping": s.Ping(t.Context())} {
			if !errors.Is(err, vault.ErrSetup) && !errors.Is(err, vault.ErrUnavailable) || strings.Contains(fmt.Sprint(err), "vault secrets enable") {
				t.Errorf("%s: %s = %v, want an outage", name, what, err)
			}
		}
	}
}

// firstKey is the error that a walk over the keys begins with.
func firstKey(t *testing.T, s *vault.Store) error {
	t.Helper()
	for _, err := range s.Keys(t.Context()) {
		return err
	}
	return nil
}

func TestProxysForbiddenIsNoMatterOfLogInsNorPolicies(t *testing.T) {
	t.Parallel()
	for name, body := range gateways {
		logins := new(atomic.Int64)
		s := open(t, vault.Config{Address: answering(t, http.StatusForbidden, body).URL}, func(context.Context, *api.Client) (*api.Secret, error) {
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: fmt.Sprint("hvs.", logins.Add(1))}}, nil
		})
		vault.Age(s, time.Minute) // A token that is just minted is not replaced for a mere "denied" anyway.
		_, err := s.Get(t.Context(), key)
		for what, err := range map[string]error{"Get": err, "Ping": s.Ping(t.Context())} {
			if !errors.Is(err, vault.ErrSetup) || errors.Is(err, vault.ErrDenied) || strings.Contains(err.Error(), "app.hcl") || !strings.Contains(err.Error(), "proxy") {
				t.Errorf("%s: %s = %v, want ErrSetup that says to look at the proxy", name, what, err)
			}
		}
		if n := logins.Load(); n != 1 {
			t.Errorf("%s: %d log-ins, want that of Open alone", name, n)
		}
	}
}

func TestMissingMountIsNoEmptyFolder(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	mount := v.Mount(t)
	for path, want := range map[string]error{mount: nil, "nowhere": vault.ErrSetup, mount + "/below": vault.ErrSetup} {
		s := open(t, vault.Config{Address: v.Address, Mount: path}, vault.Token(v.RootToken))
		if err := firstKey(t, s); !errors.Is(err, want) {
			t.Errorf("mount %s: Keys = %v, want %v", path, err, want)
		}
		if n, err := s.Sweep(t.Context()); n != 0 || !errors.Is(err, want) {
			t.Errorf("mount %s: Sweep = %d, %v, want %v", path, n, err, want)
		}
		if _, err := s.Get(t.Context(), key); want != nil && !errors.Is(err, want) {
			t.Errorf("mount %s: Get = %v, want %v", path, err, want)
		}
	}
}

// A span goes to whoever runs the tracing.
func TestSpansOfFailuresNameNoUser(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, cfg := range map[string]vault.Config{"missing mount": {Address: v.Address, Mount: "nowhere"}, "no answer": {Address: gone.URL}} {
		spans := tracetest.NewSpanRecorder()
		s := open(t, cfg, func(context.Context, *api.Client) (*api.Secret, error) {
			return &api.Secret{Auth: &api.SecretAuth{ClientToken: v.RootToken}}, nil
		}, vault.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))))
		if _, err := s.Get(t.Context(), key); err == nil {
			t.Fatalf("%s: Get succeeded", name)
		}
		for _, span := range spans.Ended() {
			if says := span.Status().Description; says == "" || strings.Contains(says, "583231") {
				t.Errorf("%s: the span says %q", name, says)
			}
		}
	}
}

func TestFolderOfVeryManyUsersIsWalkedWhole(t *testing.T) {
	t.Parallel()
	const users = 600_000
	body := `{"data":{"keys":["1234567"` + strings.Repeat(`,"1234567"`, users-1) + `]}}`
	s := open(t, vault.Config{Address: answering(t, http.StatusOK, body).URL, Timeout: limit}, vault.Token("hvs.test"))
	n := 0
	for _, err := range s.Keys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != users {
		t.Errorf("%d keys, want %d", n, users)
	}
}

// Vault goes away between the list and what follows.
func TestSweepGivesUpAfterSomeErrors(t *testing.T) {
	t.Parallel()
	asked := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("list") != "" {
			_, _ = io.WriteString(w, `{"data":{"keys":["1"`+strings.Repeat(`,"2"`, 999)+`]}}`)
			return
		}
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	s := open(t, vault.Config{Address: server.URL}, firstThen("hvs.test", nil))
	n, err := s.Sweep(t.Context())
	if n != 0 || !errors.Is(err, vault.ErrUnavailable) || asked.Load() > 30 {
		t.Errorf("Sweep = %d after %d questions; want that it gives up: %v", n, asked.Load(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asked.Store(0)
	if _, err := s.Sweep(ctx); !errors.Is(err, context.Canceled) || asked.Load() != 0 {
		t.Errorf("Sweep of a context that has ended = %v", err)
	}
}

// A standby that lags (Vault Enterprise) knows nothing yet of a user who has just signed in elsewhere.
func TestSweepDoesNotDeleteWhatALaggingStandbyHasNotSeen(t *testing.T) {
	t.Parallel()
	deleted := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			deleted.Add(1)
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Query().Get("list") != "":
			_, _ = io.WriteString(w, `{"data":{"keys":["583231"]}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[]}`)
		}
	}))
	t.Cleanup(server.Close)
	s := open(t, vault.Config{Address: server.URL}, firstThen("hvs.test", nil))
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil || deleted.Load() != 0 {
		t.Errorf("Sweep = %d, %v, and deleted %d", n, err, deleted.Load())
	}
}
