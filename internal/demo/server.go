package demo

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
)

// Server is an example that is a web server.
type Server struct {
	Name string
	App  githubtest.App // Registered at the fake GitHub, if that is the one.
	Path string         // Of the page to open, below which the callback stands too; "" is the root.
}

// Main is the main function of such an example: it reads the flag -addr, and those that the program has declared with
// package flag, finds out which GitHub to sign in at (see [Start]), calls run, and returns the exit status. The context ends
// with an interrupt, which is no failure.
func (s Server) Main(run func(ctx context.Context, site Site) error) int {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 finds a free one")
	flag.Parse() //nolint:revive // This is the program's main, but for its name.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second interrupt ends the program at once.
	if err := s.start(ctx, *addr, run); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.Name, err)
		return 1
	}
	return 0
}

func (s Server) start(ctx context.Context, addr string, run func(context.Context, Site) error) error {
	listener, baseURL, err := Listen(ctx, addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // Serve closes it, too, but may not be reached.
	gh, err := Start(baseURL+s.Path, s.App)
	if err != nil {
		return err
	}
	defer gh.Close()
	return run(ctx, Site{
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Out: os.Stdout,
		listener: listener, home: baseURL + s.Path + "/",
	})
}

// Site is what a server works with.
type Site struct {
	Log *slog.Logger
	Out io.Writer

	listener net.Listener
	home     string
}

// Serve answers requests until ctx ends, lets those finish that are under way, and then closes auth, which each of them may
// have given work. It is what examples/quickstart shows in full: an app of your own has these lines in its main.
func (s Site) Serve(ctx context.Context, handler http.Handler, auth interface{ Close(context.Context) error }) error {
	server := &http.Server{
		Handler:           handler,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	_, _ = fmt.Fprintln(s.Out, "Open", s.home)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		err = server.Shutdown(stop)
	}
	return errors.Join(err, Close(ctx, auth))
}
