package ops_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/mcptasks/mcptasks/ops"
)

func newExporter(t *testing.T) *ops.Exporter {
	t.Helper()
	exporter, err := ops.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exporter.Close() })
	return exporter
}

func count(t *testing.T, exporter *ops.Exporter, name string) {
	t.Helper()
	counter, err := exporter.MeterProvider().Meter("test").Int64Counter(name)
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
}

func TestMetrics(t *testing.T) {
	exporter, other := newExporter(t), newExporter(t)
	count(t, exporter, "mcptasks.finishes")
	count(t, other, "other.finishes")

	status, body := get(ops.Handler(unready(nil), exporter), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d", status)
	}
	for _, want := range []string{`(?m)^mcptasks_finishes_total 1$`, `(?m)^go_goroutines \d`, `(?m)^process_resident_memory_bytes \d`} {
		if !regexp.MustCompile(want).MatchString(body) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if strings.Contains(body, "other_finishes") {
		t.Error("an exporter has the figures of another")
	}
}

// Metrics may be scraped while the process drains and its node is closed.
func TestMetricsAfterClose(t *testing.T) {
	exporter := newExporter(t)
	count(t, exporter, "mcptasks.finishes")
	if err := exporter.Close(); err != nil {
		t.Fatal(err)
	}
	count(t, exporter, "mcptasks.late")
	if status, body := get(exporter.Handler(), "/metrics"); status != http.StatusOK || !strings.Contains(body, "go_goroutines") || strings.Contains(body, "mcptasks_") {
		t.Errorf("after Close /metrics answers %d\n%s", status, body)
	}
}

// stick gives the exporter a metric whose reading waits until release is closed.
func stick(t *testing.T, exporter *ops.Exporter, release <-chan struct{}) {
	t.Helper()
	_, err := exporter.MeterProvider().Meter("test").Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-release
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestScrapeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter, release := newExporter(t), make(chan struct{})
		stick(t, exporter, release)
		begun := time.Now()
		status, _ := get(exporter.Handler(), "/metrics")
		if took := time.Since(begun); status != http.StatusServiceUnavailable || took > 10*time.Second {
			t.Errorf("a scrape that hangs is answered %d after %s", status, took)
		}
		close(release)
		synctest.Wait()
	})
}

// TestScrapesThatHang scrapes again and again while a reading hangs. The exporter rejects
// further scrapes, so that goroutines do not pile up.
func TestScrapesThatHang(t *testing.T) {
	exporter, release := newExporter(t), make(chan struct{})
	defer close(release)
	stick(t, exporter, release)
	scrape := func() (status int, body string) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		recorder := httptest.NewRecorder()
		exporter.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		return recorder.Code, recorder.Body.String()
	}
	for n := 1; ; n++ {
		if status, body := scrape(); status == http.StatusServiceUnavailable && strings.Contains(body, "concurrent") {
			break
		}
		if n == 50 {
			t.Fatalf("%d scrapes hang, and another is let in", n)
		}
	}
}
