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

// Exporter collects the metrics of a process for Prometheus. Safe for concurrent use.
type Exporter struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler
}

const (
	scrapeTimeout = 8 * time.Second // less than the 10 s that Prometheus waits
	maxScrapes    = 4               // at the same time: scrapes that hang must not pile up
)

// Metrics returns an exporter with a registry of its own. It has the metrics that are
// measured through its MeterProvider, and those of the Go runtime and the process. A
// process may have several exporters. Close it after everything that measures with it.
func Metrics() (*Exporter, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // panics only if a collector is registered twice
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo()) // otherwise each line has three labels that are always the same
	if err != nil {
		return nil, err
	}
	return &Exporter{
		provider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorHandling:       promhttp.ContinueOnError, // one metric that fails does not hide the others
			MaxRequestsInFlight: maxScrapes,
			Timeout:             scrapeTimeout,
		}),
	}, nil
}

// MeterProvider returns the provider for runner.Config.MeterProvider.
func (e *Exporter) MeterProvider() metric.MeterProvider { return e.provider }

// Handler returns the handler of a scrape by Prometheus. It answers 503 if collecting the
// metrics takes longer than eight seconds, or if four scrapes are already in progress.
func (e *Exporter) Handler() http.Handler { return e.handler }

// Close stops the measurements. After it Handler has only the metrics of the Go runtime and
// the process.
func (e *Exporter) Close() error { return e.provider.Shutdown(context.Background()) }
