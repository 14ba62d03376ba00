package ops_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mcptasks/mcptasks/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a Node whose function is Ready.
type node func(ctx context.Context) error

func (n node) Ready(ctx context.Context) error { return n(ctx) }

// unready returns a node that is not ready because of err.
func unready(err error) node { return func(context.Context) error { return err } }

func get(handler http.Handler, path string) (status int, body string) {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func quiet(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

// away is an error like those of runner's Ready: its text is for anybody, its cause is not.
type away struct{ cause error }

func (e *away) Error() string { return "mcptasks: the database does not answer" }
func (e *away) Unwrap() error { return e.cause }

const internals = "dial tcp 10.1.2.3:5432: user=tasks password=hunter2"

func TestReadySaysWhatIsMissingWithoutInternals(t *testing.T) {
	log := quiet(t)
	handler := ops.Handler(unready(&away{errors.New(internals)}), nil)
	if status, body := get(handler, "/readyz"); status != http.StatusServiceUnavailable || body != "not ready: the database does not answer\n" {
		t.Errorf("/readyz answers %d %q", status, body)
	}
	if !strings.Contains(log.String(), internals) {
		t.Errorf("the log does not say why: %q", log)
	}
	if status, body := get(handler, "/healthz"); status != http.StatusOK || body != "alive\n" {
		t.Errorf("/healthz answers %d %q: a restart mends nothing here", status, body)
	}
	if status, body := get(ops.Handler(unready(nil), nil), "/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz of a node that is ready answers %d %q", status, body)
	}
}

func TestReadyIsLoggedWhenItChanges(t *testing.T) {
	log := quiet(t)
	var err error
	handler := ops.Handler(node(func(context.Context) error { return err }), nil)
	for _, err = range []error{nil, errors.New("away"), errors.New("away"), errors.New("away"), nil, nil} {
		get(handler, "/readyz")
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "not ready") || !strings.Contains(log.String(), "ready again") {
		t.Errorf("six probes in which the node went and came back were logged as\n%s", log)
	}
}

// TestProbesDoNotWaitForOneAnother sends probes while one waits for the database.
func TestProbesDoNotWaitForOneAnother(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		handler := ops.Handler(node(func(ctx context.Context) error {
			if asked.Add(1) > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}), nil)
		begun := time.Now()
		var status int
		hung := make(chan struct{})
		go func() {
			defer close(hung)
			status, _ = get(handler, "/readyz")
		}()
		synctest.Wait()
		for _, path := range []string{"/readyz", "/healthz"} {
			if status, _ := get(handler, path); status != 200 || time.Since(begun) != 0 {
				t.Errorf("beside a probe that hangs %s answered %d after %s", path, status, time.Since(begun))
			}
		}
		<-hung
		if took := time.Since(begun); status != 503 || took != 2*time.Second {
			t.Errorf("the probe that hung was answered %d after %s", status, took)
		}
	})
}

// A probe whose caller disconnected does not change what is known of the node.
func TestProbeOfOneWhoHasGone(t *testing.T) {
	log := quiet(t)
	ctx, cancel := context.WithCancel(t.Context())
	handler := ops.Handler(node(func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}), nil)
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestOnlyProbes(t *testing.T) {
	handler := ops.Handler(unready(nil), nil)
	for path, want := range map[string]int{"/": 404, "/metrics": 404, "/debug/pprof/": 404, "/readyz/x": 404} {
		if status, _ := get(handler, path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/readyz", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz answers %d", recorder.Code)
	}
}
