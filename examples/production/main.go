// Command production is a server with sign-in as one would deploy it: wired by fx, tokens in Vault by AppRole, sessions in Redis or
// in a sealed cookie, health, metrics, traces, structured logs with request ids, and a shutdown that loses no token. Copy the
// folder and replace pages.go by your own.
//
// README.md beside this file says what to set, and what an operator looks at.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	_ "golang.org/x/crypto/x509roots/fallback" // Where the image brings no root certificates of its own.

	"github.com/ghlogin/ghlogin/fxmodule"
	"github.com/ghlogin/ghlogin/store/vault"
)

const (
	// startTimeout bounds the start: log in to Vault, reach Redis, listen.
	startTimeout = 15 * time.Second
	// stopTimeout bounds the stop: requests under way, refreshes under way, their tokens stored.
	stopTimeout = 25 * time.Second
)

func main() {
	log := newLog(os.Stdout)
	if err := run(log); err != nil {
		// For a person who just started it, so without JSON.
		_, _ = fmt.Fprintf(os.Stderr, "production: %v\n", err)
		os.Exit(1)
	}
}

// newLog writes JSON, in which a duration is text such as "1.5ms": slog's own are nanoseconds without a unit.
func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}))
}

func run(log *slog.Logger) error {
	cfg, err := configFromEnv()
	if err != nil {
		return fmt.Errorf("the environment can't be used:\n%w", err)
	}
	app := fx.New(
		fx.Supply(cfg, cfg.GitHub, cfg.Vault, log),
		fx.Provide(func() vault.Login { return cfg.VaultLogin }),
		fxmodule.Module,
		fxmodule.Vault,
		cfg.sessions(),
		telemetry,
		fx.Provide(newHealth, newHandler),
		fx.Invoke(serve),
		fx.StartTimeout(startTimeout), fx.StopTimeout(stopTimeout),
		fx.WithLogger(func(log *slog.Logger) fxevent.Logger {
			l := &fxevent.SlogLogger{Logger: log}
			l.UseLogLevel(slog.LevelDebug)
			return l
		}),
	)
	start, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	if err := app.Start(start); err != nil {
		return dig.RootCause(err) // Without the names of the funcs on the way, which tell nobody what to do.
	}
	signal := <-app.Wait()
	log.Info("stopping", "signal", fmt.Sprint(signal.Signal))
	stop, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	err = app.Stop(stop)
	if err == nil && signal.ExitCode != 0 {
		err = errors.New("the server ended by itself: see the log")
	}
	return err
}
