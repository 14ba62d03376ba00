package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Exporter holds the figures of a process until Prometheus asks for them. Safe for
// concurrent use.
type Exporter struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler
}

const (
	scrapeTimeout = 8 * time.Second // less than the 10 s that Prometheus waits
	maxScrapes    = 4               // at once: one that hangs must not gather others behind it
)

// Metrics returns an exporter with a registry of its own, which holds what is
// measured through its MeterProvider, and the figures of the Go runtime and the
// process. Any number of them may live in one process. Close it when what measures
// has been closed.
func Metrics() (*Exporter, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // fails only for what is registered twice
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo()) // three labels that are the same on every line
	if err != nil {
		return nil, err
	}
	return &Exporter{
		provider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorHandling:       promhttp.ContinueOnError, // what can be told is
			MaxRequestsInFlight: maxScrapes,
			Timeout:             scrapeTimeout,
		}),
	}, nil
}

// MeterProvider returns what a node is to measure with: runner.Config.MeterProvider.
func (e *Exporter) MeterProvider() metric.MeterProvider { return e.provider }

// Handler answers with all figures, in the format that Prometheus reads. It answers
// 503 if they are not gathered within eight seconds, or if four scrapes are at it
// already.
func (e *Exporter) Handler() http.Handler { return e.handler }

// Close ends the measuring. Handler then has the figures of the runtime and the
// process alone.
func (e *Exporter) Close() error { return e.provider.Shutdown(context.Background()) }
