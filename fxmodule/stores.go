package fxmodule

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/vault"
)

// Memory provides a [store.Store] in memory: for one process whose users may sign in again after a restart.
var Memory = fx.Provide(func() store.Store { return memory.New() })

// Vault provides a [store.Store] in HashiCorp Vault. It needs what [VaultParams] names.
//
// When the application starts, it logs in and makes sure that Vault is set up as it must be; what is not fails the start with
// an error that says what to change. When it stops, the log-in ends.
var Vault = fx.Module("ghlogin-vault", fx.Provide(NewVault))

// VaultParams is what [NewVault] takes from the application.
type VaultParams struct {
	fx.In

	// Lifecycle starts and ends the log-in.
	Lifecycle fx.Lifecycle

	// Config says which Vault, and where in it: required.
	Config vault.Config
	// Login says how to log in: required. vault.AppRole and others make one; vault.ConfigFromEnv makes both.
	Login vault.Login

	// Logger hears of log-ins; without one the store is silent.
	Logger *slog.Logger `optional:"true"`
	// Tracers takes spans, by default OpenTelemetry's global provider.
	Tracers trace.TracerProvider `optional:"true"`
	// Meters takes metrics, by default OpenTelemetry's global provider.
	Meters metric.MeterProvider `optional:"true"`
}

// NewVault makes a store in Vault that starts and stops with the application.
func NewVault(p VaultParams) (store.Store, error) {
	var opts []vault.Option
	if p.Logger != nil {
		opts = append(opts, vault.WithLogger(p.Logger))
	}
	if p.Tracers != nil {
		opts = append(opts, vault.WithTracerProvider(p.Tracers))
	}
	if p.Meters != nil {
		opts = append(opts, vault.WithMeterProvider(p.Meters))
	}
	st, err := vault.Prepare(p.Config, p.Login, opts...)
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := st.Start(ctx); err != nil {
				return err
			}
			if err := st.Ping(ctx); err != nil {
				return errors.Join(err, st.Close(ctx)) // fx stops nothing whose start failed.
			}
			return nil
		},
		OnStop: st.Close,
	})
	return st, nil
}
