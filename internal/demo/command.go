package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/oauth"
)

// Env is what a command works with.
type Env struct {
	Config   oauth.Config
	Scopes   []string
	Listener net.Listener // Where GitHub sends the browser back to.
	Out      io.Writer
}

// Main is the main function of an example that is a command, not a server: it reads the flags -addr
// and -timeout, finds out which GitHub to sign in at (see [Start]), calls run, and returns the exit
// status. The context ends with the timeout or an interrupt; an interrupt is no failure.
func Main(name string, app githubtest.App, run func(ctx context.Context, env Env) error) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` that GitHub sends the browser back to; port 0 finds a free one")
	timeout := flags.Duration("timeout", 5*time.Minute, "`time` after which to give up")
	if err := flags.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2 // The flag set has said why.
	}

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(interrupted, stop) // A second interrupt ends the program at once.
	ctx, cancel := context.WithTimeout(interrupted, *timeout)
	defer cancel()
	err := start(ctx, *addr, app, run)
	switch {
	case err == nil || interrupted.Err() != nil:
		return 0
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("not done within %v: run it again, or give it longer with -timeout", *timeout)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return 1
}

func start(ctx context.Context, addr string, app githubtest.App, run func(context.Context, Env) error) error {
	listener, baseURL, err := Listen(ctx, addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	gh, err := Start(baseURL, app)
	if err != nil {
		return err
	}
	defer gh.Close()
	cfg, err := configFromEnv()
	if err != nil {
		return fmt.Errorf("these settings can't be used:\n%w", err)
	}
	return run(ctx, Env{Config: cfg, Scopes: fields(os.Getenv("GITHUB_SCOPES")), Listener: listener, Out: os.Stdout})
}

// closeLimit bounds what is left to do at the end of a command.
const closeLimit = 10 * time.Second

// Close closes c after ctx has ended, too: also an interrupted command waits for what is under way.
func Close(ctx context.Context, c interface{ Close(context.Context) error }) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return c.Close(ctx)
}

// configFromEnv reads what middleware.ConfigFromEnv does, for programs without the middleware.
func configFromEnv() (oauth.Config, error) {
	cfg := oauth.Config{ClientID: os.Getenv("GITHUB_CLIENT_ID"), RedirectURL: os.Getenv("GITHUB_REDIRECT_URL")}
	for _, secret := range fields(os.Getenv("GITHUB_CLIENT_SECRET")) {
		cfg.ClientSecrets = append(cfg.ClientSecrets, oauth.NewSecret(secret))
	}
	host, err := oauth.HostFromURL(os.Getenv("GITHUB_BASE_URL"))
	if err != nil {
		return cfg, errors.Join(fmt.Errorf("GITHUB_BASE_URL: %w", err), cfg.Validate())
	}
	if api := os.Getenv("GITHUB_API_URL"); api != "" {
		host.API = strings.TrimSuffix(api, "/") + "/"
	}
	cfg.Host = host
	return cfg, cfg.Validate()
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
