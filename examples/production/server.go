package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"time"

	"go.uber.org/fx"
)

// serve listens for as long as the application runs: the pages on one address, health and metrics on another.
func serve(lc fx.Lifecycle, shutdown fx.Shutdowner, log *slog.Logger, c config, pages http.Handler, h *health, m metricsHandler) {
	admin := http.NewServeMux()
	admin.HandleFunc("GET /livez", h.live)
	admin.HandleFunc("GET /readyz", h.ready)
	admin.Handle("GET /metrics", m)
	for _, one := range []struct {
		addr    string
		handler http.Handler
		drain   time.Duration
	}{
		{c.AdminAddr, admin, drainAdmin},
		{c.Addr, pages, drainPages}, // Stopped first: whoever looks at /readyz meanwhile still gets an answer.
	} {
		s := &http.Server{
			Addr: one.addr, Handler: one.handler,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      time.Minute, // A refresh that waits for another replica's lease takes half of it at most.
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    32 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		}
		lc.Append(fx.Hook{
			OnStart: func(ctx context.Context) error {
				listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Addr)
				if err != nil {
					return fmt.Errorf("can't listen, choose another address with ADDR or ADMIN_ADDR: %w", err)
				}
				log.Info("listening", "addr", listener.Addr().String())
				go func() {
					if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
						log.Error("the server ended", "error", err)
						_ = shutdown.Shutdown(fx.ExitCode(1))
					}
				}()
				return nil
			},
			OnStop: func(ctx context.Context) error { return drain(ctx, s, one.drain) },
		})
	}
	// Before the pages stop, balancers have to see that this replica is going: they ask every few seconds.
	lc.Append(fx.Hook{OnStop: h.leave})
}

// How long requests that are under way at the stop may take to their end, at each address.
const (
	drainPages = 10 * time.Second
	drainAdmin = time.Second
)

// drain lets them, and then ends them: a download that goes on, or a slow reader, would use up the whole time of the stop, and
// refreshed tokens could not be stored any more.
func drain(ctx context.Context, s *http.Server, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.Close())
	}
	return nil
}

// secure sets what every response should have. The sign-in's own pages have a stricter policy of their own.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' https://avatars.githubusercontent.com; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Strict-Transport-Security", "max-age=31536000") // Browsers heed it over https alone.
		next.ServeHTTP(w, r)
	})
}

var cleanID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// logged gives each request an id, the proxy's if it sent one, and logs it when it is over: no query and no cookie, which
// hold secrets.
//
// The client's address is the proxy's here. X-Forwarded-For is whatever a client wrote unless your proxy replaces it;
// take it from there only if it does. The sign-in believes no such header at all: its addresses come from the configuration.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !cleanID.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		start, rec := time.Now(), &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("request_id", id), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", rec.status), slog.Duration("took", time.Since(start)), slog.String("from", r.RemoteAddr))
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
