// Package ops is what those who run a process see of it over HTTP: whether it
// lives, whether it is ready, and its figures for Prometheus. Serve it on an address
// of its own, which clients do not reach:
//
//	exporter, err := ops.Metrics()
//	…
//	defer exporter.Close()
//	node, err := runner.Open(ctx, url, tools, &runner.Config{MeterProvider: exporter.MeterProvider()})
//	…
//	probes, err := ops.Listen(ctx, ":9090", ops.Handler(node, exporter))
//	…
//	defer probes.Close()
package ops
