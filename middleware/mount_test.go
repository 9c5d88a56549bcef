package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/go-chi/chi/v5"

	"github.com/ghlogin/ghlogin/middleware"
)

func TestMountedInAChiRouter(t *testing.T) {
	t.Parallel()
	s := newSite(t, withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(a.Middleware)
		r.Get("/", h.ServeHTTP)
		r.With(a.Require).Get("/repos/{name}", func(w http.ResponseWriter, r *http.Request) {
			user, _ := middleware.UserFromContext(r.Context())
			_, _ = fmt.Fprintf(w, "%s of %s", chi.URLParam(r, "name"), user.Login)
		})
		return r
	}))
	b := s.browser(t)
	if p := b.get("/repos/hello?x=1"); p.body != "hello of octocat" || p.at() != origin+"/repos/hello?x=1" {
		t.Errorf("%s: %q", p.at(), p.body)
	}
	if p := b.get("/nothing"); p.StatusCode != http.StatusNotFound {
		t.Errorf("chi's own 404 became %d", p.StatusCode)
	}
	b.signOut()
	b.wantSignedOut()
}

func TestMountedInAChiSubRouter(t *testing.T) {
	t.Parallel()
	s := newSite(t, withConfig(func(c *middleware.Config) { c.RedirectURL = origin + "/app/auth/callback" }),
		withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Route("/app", func(r chi.Router) {
				r.Use(a.Middleware, a.Require)
				r.Get("/me", func(w http.ResponseWriter, r *http.Request) {
					user, _ := middleware.UserFromContext(r.Context())
					_, _ = io.WriteString(w, user.Login)
				})
			})
			return r
		}))
	if p := s.browser(t).get("/app/me"); p.body != "octocat" || p.at() != origin+"/app/me" {
		t.Errorf("%s: %q", p.at(), p.body)
	}
}

func TestMountedBelowAPrefix(t *testing.T) {
	t.Parallel()
	s := newSite(t, withConfig(func(c *middleware.Config) {
		c.RedirectURL, c.MountPath = origin+"/app/auth/github/callback", "/app"
	}), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/app/", http.StripPrefix("/app", a.Middleware(h)))
		mux.HandleFunc("/auth/github/login", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "somebody else's") })
		return mux
	}))
	b := s.browser(t)
	if p := b.get("/app/me?x=1"); p.body != "you are octocat at /me?x=1" || p.at() != origin+"/app/me?x=1" {
		t.Errorf("%s: %q", p.at(), p.body)
	}
	if p := b.do(http.MethodPost, "/app/auth/github/logout"); p.at() != origin+"/app/" || p.body != "hello stranger" {
		t.Errorf("after sign-out: %s %q", p.at(), p.body)
	}
	if p := b.get("/auth/github/login"); p.body != "somebody else's" {
		t.Errorf("a path outside the prefix was swallowed: %q", p.body)
	}
}

func TestRequestsOfOthersPassUntouched(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var writer http.ResponseWriter
	s := newSite(t, withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
		return a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, writer = r, w
			_, _ = io.Copy(w, r.Body)
		}))
	}))
	for _, c := range []struct{ method, path string }{
		{http.MethodOptions, "/auth/github/login"},
		{http.MethodOptions, "/auth/github/callback"},
		{http.MethodOptions, "/auth/github/logout"},
		{http.MethodPost, "/auth/github/"},
		{http.MethodPost, "/auth/github/login/"},
		{http.MethodPost, "/auth/github/loginx"},
		{http.MethodPost, "/x/auth/github/login"},
		{http.MethodGet, "/auth/github"},
		{http.MethodDelete, "/callback"},
	} {
		got = nil
		r := httptest.NewRequest(c.method, origin+c.path, strings.NewReader("body"))
		r.Header.Set("Authorization", "Bearer the-apps-own")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		switch {
		case got == nil:
			t.Errorf("%s %s was swallowed: %d", c.method, c.path, w.Code)
		case writer != http.ResponseWriter(w):
			t.Errorf("%s %s got another response writer: %T", c.method, c.path, writer)
		case w.Body.String() != "body" || got.Header.Get("Authorization") == "" || len(w.Header()) != 0 && w.Header().Get("Content-Type") == "":
			t.Errorf("%s %s was changed: %q %v", c.method, c.path, w.Body, w.Header())
		}
	}
}

func TestFlushingHijackingAndResponseControllerWorkBehindIt(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{
		"own sessions":       nil,
		"the app's sessions": {middleware.WithSessionManager(secureSessions())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, withOptions(opts...), withWrap(func(a *middleware.Authenticator, _ http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.WriteString(w, "first")
					w.(http.Flusher).Flush()
					if err := http.NewResponseController(w).Flush(); err != nil {
						t.Errorf("Flush = %v", err)
					}
					<-r.Context().Done()
				})
				mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Errorf("Hijack = %v", err)
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\nraw")
					_ = conn.Close()
				})
				return a.Middleware(mux)
			}))
			server := httptest.NewServer(s.handler)
			t.Cleanup(server.Close)

			ctx, cancel := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, 5)
			if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
				t.Errorf("the stream's first part = %q, %v", first, err)
			}
			cancel()
			_ = resp.Body.Close()

			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
			if all, err := io.ReadAll(bufio.NewReader(conn)); err != nil || !strings.HasSuffix(string(all), "raw") {
				t.Errorf("the hijacked connection gave %q, %v", all, err)
			}
		})
	}
}

// An scs manager that was not made by scs.New has the same context key as ours.
func TestAppsSessionsAndOursDoNotMix(t *testing.T) {
	t.Parallel()
	sm := &scs.SessionManager{
		Lifetime: time.Hour, Store: memstore.NewWithCleanupInterval(0), Codec: scs.GobCodec{}, Cookie: scs.SessionCookie{Name: "app", Path: "/"},
	}
	b := newSite(t, withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
		return sm.LoadAndSave(a.Middleware(h))
	})).browser(t)
	b.signIn()
	if len(b.cookies("app")) != 0 || len(b.sessionCookies()) != 1 {
		t.Error("the sign-in went into the app's session")
	}
}

// secureSessions is a session manager as an app behind https has it.
func secureSessions() *scs.SessionManager {
	sm := scs.New()
	sm.Cookie.Name = "app"
	sm.Cookie.Secure = true
	return sm
}

func TestAppsSessionsWithoutLoadAndSave(t *testing.T) {
	t.Parallel()
	b := newSite(t, withOptions(middleware.WithSessionManager(secureSessions()))).browser(t)
	b.signIn()
	if p := b.get("/me"); p.body != "you are octocat at /me" {
		t.Errorf("GET /me = %q", p.body)
	}
	b.signOut()
	b.wantSignedOut()
}

// The app has scs sessions of its own, and its LoadAndSave stands around us or within.
func TestAppsOwnSessions(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*scs.SessionManager, *middleware.Authenticator, http.Handler) http.Handler{
		"LoadAndSave around": func(sm *scs.SessionManager, a *middleware.Authenticator, h http.Handler) http.Handler {
			return sm.LoadAndSave(a.Middleware(h))
		},
		"LoadAndSave within": func(sm *scs.SessionManager, a *middleware.Authenticator, h http.Handler) http.Handler {
			return a.Middleware(sm.LoadAndSave(h))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := secureSessions()
			s := newSite(t, withOptions(middleware.WithSessionManager(sm)), withWrap(func(a *middleware.Authenticator, h http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/", h)
				mux.HandleFunc("/cart", func(w http.ResponseWriter, r *http.Request) {
					sm.Put(r.Context(), "cart", sm.GetInt(r.Context(), "cart")+1)
					_, _ = fmt.Fprint(w, sm.GetInt(r.Context(), "cart"))
				})
				return wrap(sm, a, mux)
			}))
			b := s.browser(t)
			wantCart := func(want string) {
				t.Helper()
				if p := b.get("/cart"); p.body != want {
					t.Errorf("the cart holds %q, want %s", p.body, want)
				}
			}
			wantCart("1")
			before := b.cookies("app")[0].Value
			b.signIn()
			if b.cookies("app")[0].Value == before {
				t.Error("the session token was not renewed at the sign-in")
			}
			wantCart("2")
			if p := b.get("/me"); p.body != "you are octocat at /me" {
				t.Errorf("GET /me = %q", p.body)
			}
			b.signOut()
			b.wantSignedOut()
			wantCart("3")
		})
	}
}
