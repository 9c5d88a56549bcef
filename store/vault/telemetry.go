package vault

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ghlogin/ghlogin/store"
)

const scope = "github.com/ghlogin/ghlogin/store/vault"

// Option sets how a [Store] is seen from outside.
type Option func(*options) error

type options struct {
	tracer trace.TracerProvider
	meter  metric.MeterProvider
	log    *slog.Logger
}

func defaultOptions() options {
	return options{tracer: otel.GetTracerProvider(), meter: otel.GetMeterProvider(), log: slog.New(slog.DiscardHandler)}
}

// WithTracerProvider sets where spans go, one for each operation, named "ghlogin.vault get" and so on.
// By default OpenTelemetry's global provider; nil is an error.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(o *options) error {
		if p == nil {
			return errors.New("vault: WithTracerProvider: the provider is nil")
		}
		o.tracer = p
		return nil
	}
}

// WithMeterProvider sets where metrics go: the counter ghlogin.vault.operations and the histogram
// ghlogin.vault.duration, in seconds, by operation and result. By default OpenTelemetry's global
// provider; nil is an error.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(o *options) error {
		if p == nil {
			return errors.New("vault: WithMeterProvider: the provider is nil")
		}
		o.meter = p
		return nil
	}
}

// WithLogger has log-ins and their failures reported. Without it the store is silent; nil is an error.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) error {
		if log == nil {
			return errors.New("vault: WithLogger: the logger is nil; leave the option out for silence")
		}
		o.log = log
		return nil
	}
}

type telemetry struct {
	tracer     trace.Tracer
	operations metric.Int64Counter
	duration   metric.Float64Histogram
	log        *slog.Logger
}

func newTelemetry(o options) (telemetry, error) {
	meter := o.meter.Meter(scope)
	operations, err1 := meter.Int64Counter("ghlogin.vault.operations",
		metric.WithDescription("Operations on Vault, by operation and result."))
	duration, err2 := meter.Float64Histogram("ghlogin.vault.duration",
		metric.WithUnit("s"), metric.WithDescription("Time that an operation on Vault took."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3, 6))
	return telemetry{o.tracer.Tracer(scope), operations, duration, o.log}, errors.Join(err1, err2)
}

// begin starts an operation's span. Neither it nor the metrics name the key: a user's id is nobody's
// business there.
func (t telemetry) begin(ctx context.Context, op string) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, "ghlogin.vault "+op, trace.WithSpanKind(trace.SpanKindClient))
	start := time.Now()
	return ctx, func(err error) {
		result := resultOf(err)
		attrs := metric.WithAttributes(attribute.String("operation", op), attribute.String("result", result))
		t.operations.Add(ctx, 1, attrs)
		t.duration.Record(ctx, time.Since(start).Seconds(), attrs)
		span.SetAttributes(attribute.String("result", result))
		if result != "ok" && result != "not_found" && result != "conflict" {
			says := err.Error()
			if e, ok := errors.AsType[*Error](err); ok {
				says = e.summary()
			}
			span.SetStatus(codes.Error, says)
		}
		span.End()
	}
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrNotFound):
		return "not_found"
	case errors.Is(err, store.ErrConflict):
		return "conflict"
	case errors.Is(err, ErrDenied):
		return "denied"
	case errors.Is(err, ErrSetup):
		return "setup"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	}
	return "error"
}
