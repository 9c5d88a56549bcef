package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TB is the part of testing.TB that [Start] needs, so that programs don't link package testing.
type TB interface {
	// Helper marks the caller as a helper in failure messages.
	Helper()
	// Cleanup calls a function when the test is over.
	Cleanup(func())
	// Fatalf reports a failure and ends the test.
	Fatalf(format string, args ...any)
}

// Server is a fake GitHub. It is an http.Handler, and all its methods are safe for concurrent use.
// Every time it reckons with comes from time.Now, so that it can be used in a testing/synctest
// bubble.
type Server struct {
	mux    *http.ServeMux
	closed chan struct{}
	limits limits
	noPKCE bool
	hooks  *http.Client
	pages  map[string]*template.Template

	running sync.WaitGroup // requests and the listener's goroutine

	mu         sync.Mutex // guards everything below
	base       string
	httpServer *http.Server
	isClosed   bool
	apps       map[string]*app // by client id
	lastAppID  int64
	users      map[int64]*user
	userOrder  []int64
	lastUserID int64
	orgs       map[string]*org // by login in lower case
	autoUser   int64           // signs in without the page; 0 shows it
	state      state
	faults     []*armedFault
	calls      []*Call
	secrets    []string
	secretSet  map[string]bool
	deliveries []Delivery
}

// Option sets up a [Server].
type Option func(*Server)

// New returns a server that does not listen: call it as an http.Handler, through
// [Server.Transport], or let it [Server.Listen]. Without [WithUser] it has the demo users octocat,
// hubot and monalisa; it has no app until one is added. [Server.Close] ends what hangs.
func New(opts ...Option) *Server {
	s := &Server{
		closed: make(chan struct{}),
		limits: defaultLimits(),
		hooks:  newHookClient(),
		pages:  parsePages(),
		base:   "http://127.0.0.1",
		apps:   map[string]*app{},
		users:  map[int64]*user{},
		orgs:   map[string]*org{},
		state:  newState(),

		secretSet: map[string]bool{},
	}
	s.mux = s.routes()
	for _, opt := range opts {
		opt(s)
	}
	if len(s.users) == 0 {
		for _, u := range demoUsers() {
			s.AddUser(u)
		}
	}
	return s
}

// Start returns a server that listens on a free port of 127.0.0.1 and is closed at the end of the
// test.
func Start(tb TB, opts ...Option) *Server {
	tb.Helper()
	s := New(opts...)
	tb.Cleanup(s.Close)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		tb.Fatalf("githubtest: %v", err)
	}
	return s
}

// Listen binds addr, for example "127.0.0.1:9090", and serves in the background. The URL is known
// when it returns. It fails if the address can't be bound, and if the server listens already or is
// closed.
func (s *Server) Listen(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed || s.httpServer != nil {
		return errors.New("the server listens already or is closed: make a new one")
	}
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w; choose another address, port 0 finds a free one", err)
	}
	s.base = "http://" + reachable(l.Addr().String())
	s.httpServer = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { _ = s.httpServer.Serve(l) })
	return nil
}

// reachable turns the address of a listener on all interfaces into one that a browser can open.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// Close stops listening, ends requests that hang or wait, and returns when the last one is over. It
// may be called more than once, but not from a handler of this server.
func (s *Server) Close() {
	s.mu.Lock()
	server, first := s.httpServer, !s.isClosed
	if first {
		s.isClosed = true
		close(s.closed)
	}
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
	s.running.Wait()
	s.hooks.CloseIdleConnections()
}

// URL is the web base without a slash at the end, "http://127.0.0.1:PORT" in the shape of an
// Enterprise Server. A server that doesn't listen says "http://127.0.0.1".
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// APIURL is the REST base with a slash at the end, URL()+"/api/v3/". REST stands at the root too,
// as on api.github.com.
func (s *Server) APIURL() string { return s.URL() + "/api/v3/" }

// maxBody bounds what a request may carry.
const maxBody = 1 << 20

// ServeHTTP answers one request. A request that hangs or loses its answer by a [Fault], or comes
// after Close, ends in a panic with http.ErrAbortHandler, which net/http turns into a cut connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.running.Done()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			http.Error(w, "the body can't be read or is larger than 1 MiB", http.StatusRequestEntityTooLarge)
			return
		}
	}
	r = s.begin(r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	w = &statusWriter{ResponseWriter: w, s: s, r: r}
	// net/http would add the date, but clients under synctest call without it.
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("Server", "fakegithub")
	if r.URL.Path == tokenPath {
		s.noteGrantType(r, body) // Here, so that faulted requests are counted, too.
	}
	if f := s.strike(r, body); f != nil {
		s.note(r, func(c *Call) { c.Faulted = true })
		if !s.befall(f, w, r) {
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// enter counts a request unless the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false
	}
	s.running.Add(1)
	return true
}

// routes lays out both URL shapes on one listener: REST at the root like api.github.com and below
// /api/v3 like an Enterprise Server, the web pages at the root.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.webRoutes(mux)
	s.restRoutes(mux, "")
	s.restRoutes(mux, "/api/v3")
	return mux
}

// clientAddress is the address that limits for strangers are kept by.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// splitList cuts a list at spaces and commas and drops what is empty or repeated.
func splitList(list string) []string {
	var out []string
	for _, item := range strings.FieldsFunc(list, func(c rune) bool { return c == ' ' || c == ',' }) {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}
