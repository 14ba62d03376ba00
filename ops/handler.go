package ops

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Node reports whether it is ready. *[runner.Node] is one.
//
// [runner.Node]: https://pkg.go.dev/github.com/mcptasks/mcptasks/runner#Node
type Node interface {
	// Ready returns nil if requests may be sent to the process. Otherwise it returns
	// an error whose text is fit for anybody to read. The error wraps the cause, which
	// may not be. Ready returns when ctx ends. It is safe for concurrent use.
	Ready(ctx context.Context) error
}

// probeTimeout limits the time to answer a probe. It is shorter than the usual timeouts of
// those who probe, so that they get the reason and not a timeout.
const probeTimeout = 2 * time.Second

// Handler returns the handler of
//
//	GET /healthz   200 while the process runs; restart it if there is no answer
//	GET /readyz    200 while the node is ready, otherwise 503: send it no requests now
//	GET /metrics   the exporter's metrics, if exporter is not nil
//
// Probes are answered within two seconds. They run concurrently: one that waits for the
// database does not delay others. The body of a 503 is one line with the reason. The cause
// is logged with [slog.Default] when the node becomes unready.
func Handler(node Node, exporter *Exporter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.Handle("GET /readyz", &readiness{node: node})
	if exporter != nil {
		mux.Handle("GET /metrics", exporter.Handler())
	}
	return mux
}

type readiness struct {
	node    Node
	unready atomic.Bool // at the last probe
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), probeTimeout)
	defer cancel()
	err := r.node.Ready(ctx)
	if req.Context().Err() != nil {
		return // the caller has gone, which may be the only reason for the error
	}
	if was := r.unready.Swap(err != nil); was != (err != nil) {
		r.log(req.Context(), err)
	}
	if err != nil {
		answer(w, http.StatusServiceUnavailable, "not ready: "+strings.TrimPrefix(err.Error(), "mcptasks: "))
		return
	}
	answer(w, http.StatusOK, "ready")
}

// log logs a change. It does not log every probe, since they come every few seconds.
func (r *readiness) log(ctx context.Context, err error) {
	if err != nil {
		slog.WarnContext(ctx, "mcptasks: the node is not ready", "error", err, "cause", errors.Unwrap(err))
		return
	}
	slog.InfoContext(ctx, "mcptasks: the node is ready again")
}

func answer(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, line+"\n")
}
