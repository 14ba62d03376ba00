// Package ops serves the health and the metrics of a process over HTTP: /healthz, /readyz,
// and /metrics for Prometheus. Serve them on an address that clients do not reach:
//
//	exporter, err := ops.Metrics()
//	…
//	defer exporter.Close()
//	node, err := runner.Open(ctx, url, tools, &runner.Config{MeterProvider: exporter.MeterProvider()})
//	…
//	probes, err := ops.Listen(ctx, ":9090", ops.Handler(node, exporter))
//	…
//	defer probes.Close()
//
// The package knows HTTP and Prometheus. It does not know what makes a node ready: a [Node]
// reports that. It does not know which metrics there are either: it exports all that are
// measured through [Exporter.MeterProvider].
//
// The package is stable from v1.0.0 on. Before that, a minor version may change it; the
// CHANGELOG says how.
package ops
