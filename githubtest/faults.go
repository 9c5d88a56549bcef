package githubtest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is a misfortune that befalls matching requests. Its parts happen in this order: the delay,
// then one of hang, lost answer and canned answer. A fault with a delay only slows the request
// down; one with Header only adds to the normal answer.
type Fault struct {
	// Match picks the requests; nil matches all. It may read the body and parse the form, and must
	// be safe for concurrent use.
	Match func(*http.Request) bool
	// Times is how often the fault strikes before it is used up, 0 for always.
	Times int
	// Delay passes before anything else happens.
	Delay time.Duration
	// Hang never answers; it ends when the client hangs up or the server is closed.
	Hang bool
	// LoseAnswer does the work (a code is used, a token is refreshed) and then cuts the connection.
	LoseAnswer bool
	// Status answers without doing the work, with Header and Body.
	Status int
	// Header is set on the answer.
	Header http.Header
	// Body is sent with Status.
	Body string
}

// MatchPath matches requests to a path, which is written without the prefix /api/v3 and matches
// with and without it.
func MatchPath(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.TrimPrefix(r.URL.Path, "/api/v3") == path }
}

// MatchGrantType matches requests to the token endpoint by their grant type, "authorization_code"
// or "refresh_token"; a request that names none is an "authorization_code". The empty string
// matches all of them.
func MatchGrantType(grantType string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if r.URL.Path != tokenPath || r.Method != http.MethodPost {
			return false
		}
		params, err := tokenParams(r)
		return grantType == "" || err == nil && params.grantType() == grantType
	}
}

// armedFault is a fault with the number of times it may still strike.
type armedFault struct {
	Fault
	left int
}

// Inject arms a fault. Of several that match, the one that was armed first strikes. The returned
// function disarms it and may be called more than once.
func (s *Server) Inject(f Fault) (remove func()) {
	armed := &armedFault{Fault: f, left: f.Times}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, armed)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(a *armedFault) bool { return a == armed })
	}
}

// strike finds the fault for a request and counts it.
func (s *Server) strike(r *http.Request, body []byte) *Fault {
	s.mu.Lock()
	armed := slices.Clone(s.faults)
	s.mu.Unlock()
	for _, a := range armed {
		if a.Match != nil {
			probe := r.Clone(r.Context())
			probe.Body = io.NopCloser(bytes.NewReader(body))
			if !a.Match(probe) {
				continue
			}
		}
		if s.spend(a) {
			return &a.Fault
		}
	}
	return nil
}

// spend takes one strike from a fault and reports whether there was one left.
func (s *Server) spend(a *armedFault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.faults, a) {
		return false
	}
	if a.Times == 0 {
		return true
	}
	a.left--
	if a.left <= 0 {
		s.faults = slices.DeleteFunc(s.faults, func(b *armedFault) bool { return a == b })
	}
	return true
}

// befall lets the fault happen to one request. It returns false if the request is over.
func (s *Server) befall(f *Fault, w http.ResponseWriter, r *http.Request) bool {
	if f.Delay > 0 && !s.wait(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Hang:
		s.wait(r, 0)
		panic(http.ErrAbortHandler)
	case f.LoseAnswer:
		s.mux.ServeHTTP(&discardWriter{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if f.Status == 0 {
		return true
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
	return false
}

// wait lets d pass, for ever if zero. It returns false when the client is gone or the server closed
// before.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}

// discardWriter lets a handler do its work for an answer that nobody gets.
type discardWriter struct{ header http.Header }

func (d *discardWriter) Header() http.Header         { return d.header }
func (d *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (d *discardWriter) WriteHeader(int)             {}
