// Package fxmodule wires sign-in with GitHub into an fx application.
//
//	fx.New(
//		fxmodule.Module,                           // *middleware.Authenticator, *grant.Manager
//		fxmodule.Memory,                           // or fxmodule.Vault: a store.Store
//		fx.Provide(middleware.ConfigFromEnv),      // middleware.Config
//		fx.Provide(newServer),                     // takes the Authenticator
//		fx.Invoke(func(*http.Server) {}),
//	).Run()
//
// The module provides types of this library alone, and invokes nothing: whatever it does can be done in a
// few lines by hand. What it provides can be decorated and replaced by fx's own means, the store for example:
//
//	fx.Decorate(func(st store.Store) (store.Store, error) { return sealed.New(st, keys) })
//
// # Order
//
// fx stops what was made last first. A server that takes the Authenticator is therefore stopped before the refreshes that its
// requests set off are waited for and stored, and those before the connection to Vault is closed. All of it ends within
// fx's stop timeout, and what could not be stored by then is said in the error of the stop. A server's stop must leave some of that
// time: once it is over, fx stops nothing more.
package fxmodule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/alexedwards/scs/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store"
)

// Module provides a [*middleware.Authenticator] and its [*grant.Manager]. It needs what [Params] names.
var Module = fx.Module("ghlogin", fx.Provide(New))

// Params is what [New] takes from the application.
type Params struct {
	fx.In

	// Lifecycle ends refreshes when the application stops.
	Lifecycle fx.Lifecycle

	// Config says which app at GitHub, and where it is mounted: required. middleware.ConfigFromEnv makes one.
	Config middleware.Config
	// Store keeps the grants: required. [Memory] and [Vault] provide one.
	Store store.Store

	// Logger hears of sign-ins and refreshes; without one the library is silent.
	Logger *slog.Logger `optional:"true"`
	// Sessions is the app's own session manager; without one, sessions are kept in memory.
	Sessions *scs.SessionManager `optional:"true"`
	// Tracers takes spans, by default OpenTelemetry's global provider.
	Tracers trace.TracerProvider `optional:"true"`
	// Meters takes metrics, by default OpenTelemetry's global provider.
	Meters metric.MeterProvider `optional:"true"`

	// Options are further options, in no certain order: see [Option] and [OptionFrom].
	Options []middleware.Option `group:"ghlogin"`
	// Untagged must be nil. It is what somebody provided who meant it for Options: without effect, a gate would keep nobody out. One that
	// fx can't make, or in a slice, or under a name, is not seen.
	Untagged middleware.Option `optional:"true"`
}

// Result is what [New] provides.
type Result struct {
	fx.Out

	// Authenticator signs visitors in.
	Authenticator *middleware.Authenticator
	// Manager keeps the grants behind it, for work on behalf of users who are away.
	Manager *grant.Manager
}

// New makes an Authenticator. Refreshes under way are waited for, and their tokens stored, when the application stops; the last
// tenth of the time that is left for the stop then is kept for what else has to be stopped.
func New(p Params) (Result, error) {
	if p.Untagged != nil {
		return Result{}, errors.New("fxmodule: a middleware.Option is provided that has no effect as it is: hand it to fxmodule.Option, or what makes it to fxmodule.OptionFrom")
	}
	opts := p.Options
	if p.Logger != nil {
		opts = append(opts, middleware.WithLogger(p.Logger))
	}
	if p.Sessions != nil {
		opts = append(opts, middleware.WithSessionManager(p.Sessions))
	}
	if p.Tracers != nil {
		opts = append(opts, middleware.WithTracerProvider(p.Tracers))
	}
	if p.Meters != nil {
		opts = append(opts, middleware.WithMeterProvider(p.Meters))
	}
	auth, err := middleware.New(p.Config, p.Store, opts...)
	if err != nil {
		return Result{}, err
	}
	p.Lifecycle.Append(fx.StopHook(func(ctx context.Context) error {
		ctx, cancel := sooner(ctx)
		defer cancel()
		return auth.Close(ctx)
	}))
	return Result{Authenticator: auth, Manager: auth.Manager()}, nil
}

// sooner ends when nine tenths of the time are over that ctx has left. At its end fx would say so in place of the error of what
// was stopping then, and would not stop what was made before, such as the connection to Vault.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-max(time.Until(end), 0)/10))
}

// Option adds an option to the [Module]'s Authenticator:
//
//	fxmodule.Option(middleware.WithErrorHandler(page, middleware.KindUnavailable))
func Option(o middleware.Option) fx.Option {
	return fx.Supply(fx.Annotate(o, fx.ResultTags(tag)))
}

// OptionFrom adds the option that constructor returns, a func that takes what the application provides, and may return an error,
// too:
//
//	fxmodule.OptionFrom(func(db *sql.DB) middleware.Option { return middleware.WithGate(members{db}) })
//
// It can't take the Authenticator, which is made with it.
func OptionFrom(constructor any) fx.Option {
	return fx.Provide(fx.Annotate(constructor, fx.ResultTags(tag)))
}

// tag is that of Params.Options.
const tag = `group:"ghlogin"`
