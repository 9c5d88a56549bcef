package main

import (
	"context"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	prom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
)

// telemetry provides metrics for Prometheus to fetch, and traces where OTEL_EXPORTER_OTLP_ENDPOINT says where to.
var telemetry = fx.Provide(newMeters, newTracers)

// metricsHandler is the page that Prometheus reads.
type metricsHandler http.Handler

func newMeters(lc fx.Lifecycle) (metric.MeterProvider, prometheus.Registerer, metricsHandler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := prom.New(prom.WithRegisterer(registry))
	if err != nil {
		return nil, nil, nil, err
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	lc.Append(fx.StopHook(meters.Shutdown))
	return meters, registry, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

func newTracers(lc fx.Lifecycle) (trace.TracerProvider, error) {
	var opts []sdktrace.TracerProviderOption
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(context.Background()) // It reads those variables, and connects later.
		if err != nil {
			return nil, err
		}
		opts = append(opts, sdktrace.WithBatcher(exporter))
	}
	tracers := sdktrace.NewTracerProvider(opts...)
	lc.Append(fx.StopHook(tracers.Shutdown))
	return tracers, nil
}
