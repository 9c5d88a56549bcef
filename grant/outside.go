package grant

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ghlogin/ghlogin/oauth"
)

const scope = "github.com/ghlogin/ghlogin/grant"

// outside is who hears of what goes on, besides the log.
type outside struct {
	tracers   trace.TracerProvider
	meters    metric.MeterProvider
	observers []func(context.Context, Event)

	tracer        trace.Tracer
	events        metric.Int64Counter
	duration      metric.Float64Histogram
	tokenRequests metric.Int64Counter
	gauges        metric.Registration
}

// WithObserver has f called for each [Event], in the order in which they happen to one user. It runs
// within the work that it hears of, often behind a request: it must return soon, must not call the manager, and is called by many
// goroutines at once. Several observers can be set; nil is an error.
func WithObserver(f func(context.Context, Event)) Option {
	return func(m *Manager) error {
		if f == nil {
			return errors.New("grant: WithObserver: the func is nil")
		}
		m.outside.observers = append(m.outside.observers, f)
		return nil
	}
}

// WithTracerProvider sets where spans go: "ghlogin.refresh", "ghlogin.sign_in" and "ghlogin.sign_out". By default
// OpenTelemetry's global provider; nil is an error.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(m *Manager) error {
		if p == nil {
			return errors.New("grant: WithTracerProvider: the provider is nil")
		}
		m.outside.tracers = p
		return nil
	}
}

// WithMeterProvider sets where metrics go, by default OpenTelemetry's global provider; nil is an error.
//
//	ghlogin.events            events by kind, reason and class of error: see [EventKind]
//	ghlogin.refresh.duration  time that a refresh took, in seconds, by outcome
//	ghlogin.token_requests    refreshes asked of GitHub, by GitHub's error code and HTTP status
//	ghlogin.pairs.held        refreshed tokens that wait to be stored, now
//	ghlogin.grants.kept       grants in memory, now
//	ghlogin.lookups           look-ups of grants, by result: hit, miss (the store is read), outage (served although it is
//	                          away) and error (neither helped)
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(m *Manager) error {
		if p == nil {
			return errors.New("grant: WithMeterProvider: the provider is nil")
		}
		m.outside.meters = p
		return nil
	}
}

// open makes the instruments. Counts of the hot path are kept by the manager, and read when metrics are
// collected: a request pays one atomic addition for them.
func (o *outside) open(m *Manager) error {
	if o.tracers == nil {
		o.tracers = otel.GetTracerProvider()
	}
	if o.meters == nil {
		o.meters = otel.GetMeterProvider()
	}
	o.tracer = o.tracers.Tracer(scope)
	meter := o.meters.Meter(scope)
	var errs [6]error
	o.events, errs[0] = meter.Int64Counter("ghlogin.events",
		metric.WithDescription("What happened to grants, by event."))
	o.duration, errs[1] = meter.Float64Histogram("ghlogin.refresh.duration", metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90),
		metric.WithDescription("Time that a refresh took, with all its waiting, by outcome."))
	o.tokenRequests, errs[2] = meter.Int64Counter("ghlogin.token_requests",
		metric.WithDescription("Refreshes asked of GitHub, by GitHub's error code and status."))
	held, err := meter.Int64ObservableGauge("ghlogin.pairs.held",
		metric.WithDescription("Refreshed tokens that wait in memory to be stored."))
	errs[3] = err
	kept, err := meter.Int64ObservableGauge("ghlogin.grants.kept",
		metric.WithDescription("Grants that are remembered."))
	errs[4] = err
	lookups, err := meter.Int64ObservableCounter("ghlogin.lookups",
		metric.WithDescription("Look-ups of grants, by result."))
	errs[5] = err
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	o.gauges, err = meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		to.ObserveInt64(held, m.pairs.count.Load())
		to.ObserveInt64(kept, int64(m.cache.len()))
		for result, n := range map[string]int64{"hit": m.cache.hits.Load(), "miss": m.cache.misses.Load(), "outage": m.cache.outages.Load(), "error": m.cache.failures.Load()} {
			to.ObserveInt64(lookups, n, metric.WithAttributes(attribute.String("result", result)))
		}
		return nil
	}, held, kept, lookups)
	return err
}

// close has the meter provider let go of the manager.
func (o *outside) close() { _ = o.gauges.Unregister() }

// startRefresh begins a refresh's span. The func that it returns ends it.
func (o *outside) startRefresh(ctx context.Context) (context.Context, func(outcome, error)) {
	ctx, span := o.tracer.Start(ctx, "ghlogin.refresh")
	start := time.Now()
	return ctx, func(out outcome, err error) {
		result := attribute.String("outcome", string(out))
		o.duration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(result))
		span.SetAttributes(result)
		endSpan(span, err)
	}
}

// startSpan begins the span of something that a visitor waits for.
func (o *outside) startSpan(ctx context.Context, name string) (context.Context, func(error)) {
	ctx, span := o.tracer.Start(ctx, name)
	return ctx, func(err error) { endSpan(span, err) }
}

func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// asked counts a token request.
func (o *outside) asked(ctx context.Context, err error) {
	result, status := "ok", 200
	if err != nil {
		result, status = "no_answer", 0
		if e, ok := errors.AsType[*oauth.Error](err); ok {
			status = e.Status
			switch {
			case e.Code != "":
				result = string(e.Code)
			case e.Status != 0:
				result = "refused"
			}
		}
	}
	o.tokenRequests.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result), attribute.Int("status", status)))
}
