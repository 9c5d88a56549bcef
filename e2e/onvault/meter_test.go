package onvault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// meter stands before Vault, counts what goes to it, and remembers with which tokens.
type meter struct {
	address string

	mu     sync.Mutex
	counts traffic
	tokens []string
}

// traffic is what went to Vault: reads and writes of grants, log-ins, and all the rest.
type traffic struct{ reads, writes, logins, renewals, others int }

func (c traffic) String() string {
	return fmt.Sprintf("%d reads, %d writes, %d log-ins, %d renewals, %d others", c.reads, c.writes, c.logins, c.renewals, c.others)
}

func newMeter(t *testing.T, w *world) *meter {
	t.Helper()
	to, err := url.Parse(w.vault.Address)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport}
	m := &meter{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		m.note(r, w.mount)
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	m.address = server.URL
	return m
}

func (m *meter) note(r *http.Request, mount string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if token := r.Header.Get("X-Vault-Token"); token != "" && !slices.Contains(m.tokens, token) {
		m.tokens = append(m.tokens, token)
	}
	grant := strings.HasPrefix(r.URL.Path, "/v1/"+mount+"/data/grants/")
	switch {
	case grant && r.Method == http.MethodGet:
		m.counts.reads++
	case grant && (r.Method == http.MethodPut || r.Method == http.MethodPost):
		m.counts.writes++
	case r.URL.Path == "/v1/auth/approle/login":
		m.counts.logins++
	case r.URL.Path == "/v1/auth/token/renew-self":
		m.counts.renewals++
	default:
		m.counts.others++
	}
}

// take returns what went through since the last call.
func (m *meter) take() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.counts
	m.counts = traffic{}
	return counts
}

// seen returns every token that came through.
func (m *meter) seen() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tokens)
}
