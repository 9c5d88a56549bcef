package githubtest

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// Call is one request that reached the server. It holds nothing secret.
type Call struct {
	// Time is when the request arrived.
	Time time.Time
	// Method and Path are the request's own; the path keeps the prefix /api/v3 and has no query.
	Method, Path string
	// Status is the answer's; 0 while the request runs, hangs, or if its answer was cut off.
	Status int
	// ClientID is the app that asked or whose token was used, if known.
	ClientID string
	// GrantType is "authorization_code" or "refresh_token" for token requests.
	GrantType string
	// OAuthError is the error code that was answered or redirected with, such as
	// "bad_refresh_token".
	OAuthError string
	// UserLogin and UserID tell for whom the call was made, if known.
	UserLogin string
	UserID    int64
	// AuthScheme is "bearer", "token", "basic" or empty.
	AuthScheme string
	// Faulted is set if an injected [Fault] struck.
	Faulted bool
}

// maxCalls bounds the log, for servers that run for days or under a benchmark.
const maxCalls = 200_000

// Calls returns every request since the start or the last [Server.ResetCalls], in order of arrival.
// Requests that are still running are there too. After 200,000 calls the oldest half is dropped.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// ResetCalls empties the log.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// TokenRequests counts the requests to the token endpoint in the log: all for the empty string, or
// those with the grant type "authorization_code" or "refresh_token". Refused and faulted ones
// count.
func (s *Server) TokenRequests(grantType string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Path == tokenPath && c.Method == http.MethodPost && (grantType == "" || c.GrantType == grantType) {
			n++
		}
	}
	return n
}

// Secrets returns every access token, refresh token, code, client secret, webhook secret and PKCE
// verifier that was ever issued or known, dead ones too, for tests that search logs, pages and
// stores for leaks.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// know remembers secrets; s.mu is held.
func (s *Server) know(secrets ...string) {
	for _, v := range secrets {
		if v != "" && !s.secretSet[v] {
			s.secretSet[v] = true
			s.secrets = append(s.secrets, v)
		}
	}
}

type entryKey struct{}

// entryOf returns the log entry of a request.
func entryOf(r *http.Request) *Call {
	if c, ok := r.Context().Value(entryKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

// begin puts a request into the log.
func (s *Server) begin(r *http.Request) *http.Request {
	c := &Call{Time: time.Now(), Method: r.Method, Path: r.URL.Path}
	s.mu.Lock()
	if len(s.calls) >= maxCalls {
		s.calls = slices.Delete(s.calls, 0, maxCalls/2)
	}
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	return r.WithContext(context.WithValue(r.Context(), entryKey{}, c))
}

// note edits a request's log entry.
func (s *Server) note(r *http.Request, edit func(*Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(entryOf(r))
}

// statusWriter notes the answer's status.
type statusWriter struct {
	http.ResponseWriter
	s    *Server
	r    *http.Request
	done bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.done {
		w.done = true
		w.s.note(w.r, func(c *Call) { c.Status = status })
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
