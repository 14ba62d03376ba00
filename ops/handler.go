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

// Node is what the handler asks. *[runner.Node] is one.
//
// [runner.Node]: https://pkg.go.dev/github.com/mcptasks/mcptasks/runner#Node
type Node interface {
	// Ready returns nil if requests may be sent to the process, or else why not: a
	// sentence that anybody may read, which wraps the cause if there is one. It
	// returns when ctx ends, and may be called concurrently.
	Ready(ctx context.Context) error
}

// probeTimeout bounds the answer to a probe. Those who ask wait for some seconds at
// least, and rather hear what is wrong than nothing.
const probeTimeout = 2 * time.Second

// Handler returns the handler of
//
//	GET /healthz   200 while the process lives: whoever hears nothing should restart it
//	GET /readyz    200 while the node is ready, else 503: send it no requests now
//	GET /metrics   the exporter's figures, if that is not nil
//
// Probes are answered within two seconds, each by itself: one that has to wait for
// the database holds up no other. An answer is one line that says what is not ready;
// the cause is logged, with [slog.Default], when the node becomes unready.
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
	unready atomic.Bool // as last seen
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), probeTimeout)
	defer cancel()
	err := r.node.Ready(ctx)
	if req.Context().Err() != nil {
		return // who asked has gone: the error may be of that alone
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

// log tells of a change. Probes come every few seconds for as long as an outage lasts.
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
