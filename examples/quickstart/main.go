// Command quickstart is a small web server with "Sign in with GitHub".
//
//	go run ./examples/quickstart
//
// With nothing set it starts a fake GitHub of its own, needs no network, and prints the address to
// open:
//
//	Open http://127.0.0.1:8080/
//
// To sign in at a real GitHub, register an OAuth App there with the callback URL
// http://127.0.0.1:8080/auth/github/callback and set GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET;
// GITHUB_BASE_URL, GITHUB_API_URL, GITHUB_SCOPES and GITHUB_REDIRECT_URL are optional. See
// [middleware.ConfigFromEnv].
//
// Tokens are kept in memory, or with GHLOGIN_STORE=vault, VAULT_ADDR and VAULT_TOKEN in HashiCorp Vault,
// which docs/vault.md sets up from nothing.
//
// This file is the server, pages.go what it serves, store.go where tokens are kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
)

// stopTimeout bounds what is left to do when the program is told to stop.
const stopTimeout = 10 * time.Second

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 finds a free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second interrupt ends the program at once.
	err := run(ctx, *addr, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run serves on addr until ctx ends.
func run(ctx context.Context, addr string, stdout io.Writer, log *slog.Logger) (err error) {
	listener, baseURL, err := demo.Listen(ctx, addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // Serve closes it, too, but may not be reached.

	// An app of your own leaves this out: it only fills in an environment that has nothing set.
	gh, err := demo.Start(baseURL, githubtest.App{Name: "Quickstart"})
	if err != nil {
		return err
	}
	defer gh.Close()

	cfg, err := middleware.ConfigFromEnv()
	open, storeErr := storeFromEnv()
	if err := errors.Join(err, storeErr); err != nil {
		return fmt.Errorf("these settings can't be used:\n%w", err)
	}
	st, end, err := open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, finish(end)) }() // After auth's, which may still write to it.

	auth, err := middleware.New(cfg, st, middleware.WithLogger(log))
	if err != nil {
		return err
	}
	app := &app{auth: auth, fake: gh.FakeURL != ""}
	server := &http.Server{
		Handler:           auth.Middleware(app.routes()),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute, // A handler may wait for a few calls to GitHub.
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	_, _ = fmt.Fprintf(stdout, "Open %s/\n", baseURL)
	// Token refreshes and revocations that are under way come after the last request: each may have
	// begun one.
	return errors.Join(serve(ctx, server, listener), finish(auth.Close))
}

// serve answers requests until ctx ends, then lets those finish that are under way.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	return nil
}

// finish calls what closes something, and gives it a while of its own: the program's context has ended.
func finish(end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return end(ctx)
}
