package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

// observed is a node in memory with one tool, which does what the call says. Its metrics,
// spans and audit lines are collected.
type observed struct {
	*testing.T
	*runner.Node
	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
	audit  *lockedBuffer
	runs   chan *mcptasks.Run // receives each run that waits
	goOn   chan struct{}      // closed when a run that lingers may return
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) drain() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.String()
	b.Reset()
	return text
}

type input struct {
	Do string `json:"do"`
}

var errLuck = errors.New("out of luck")

func open(t *testing.T, start bool) *observed {
	w := &observed{
		T: t, reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(), audit: &lockedBuffer{}, runs: make(chan *mcptasks.Run, 16),
		goOn: make(chan struct{}),
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, w.handle, &mcptasks.ToolOptions{
		MaxAttempts: 2, Backoff: func(int) time.Duration { return 0 }, Queue: "reports", RunTimeout: time.Minute,
	})
	var err error
	w.Node, err = runner.Open(t.Context(), "sqlite::memory:", tools, &runner.Config{
		Logger:         slog.New(slog.NewTextHandler(t.Output(), nil)),
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.reader)),
		Audit:          slog.New(slog.NewTextHandler(w.audit, nil)),
		SweepInterval:  20 * time.Millisecond,
		MinRetention:   time.Millisecond,
		Grace:          5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if start {
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *observed) handle(ctx context.Context, run *mcptasks.Run, in input) (*mcp.CallToolResult, any, error) {
	switch in.Do {
	case "fail":
		return nil, nil, errLuck
	case "panic":
		panic("no")
	case "step":
		_, err := mcptasks.Step(ctx, run, "first", func(context.Context) (int, error) { return 1, nil })
		return nil, nil, err
	case "ask":
		_, err := run.Elicit(ctx, "sure", &mcp.ElicitParams{Message: "Sure?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}}})
		return nil, nil, err
	case "wait":
		w.runs <- run
		<-ctx.Done()
		return nil, nil, context.Cause(ctx)
	case "linger":
		w.runs <- run
		<-ctx.Done()
		<-w.goOn
		return nil, nil, context.Cause(ctx)
	default:
		return nil, nil, nil
	}
}

func (w *observed) create(do string) string {
	w.Helper()
	task, err := w.Create(w.Context(), "alice", mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(fmt.Sprintf(`{"do":%q}`, do))})
	if err != nil {
		w.Fatal(err)
	}
	return task.ID
}

// until watches the task until it has the status.
func (w *observed) until(id string, status mcptasks.Status) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for task, err := range w.Watch(ctx, "alice", id) {
		if err != nil {
			w.Fatal(err)
		}
		if task.Status == status {
			return
		}
	}
	w.Fatalf("the task ended without having been %s", status)
}

// metrics returns the metrics by name and labels: a count, or how often something was
// measured.
func (w *observed) metrics() map[string]int {
	w.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(w.Context(), &all); err != nil {
		w.Fatal(err)
	}
	values := make(map[string]int)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				add(values, m.Name, d.DataPoints, func(p metricdata.DataPoint[int64]) int { return int(p.Value) })
			case metricdata.Gauge[int64]:
				add(values, m.Name, d.DataPoints, func(p metricdata.DataPoint[int64]) int { return int(p.Value) })
			case metricdata.Gauge[float64]:
				add(values, m.Name, d.DataPoints, func(p metricdata.DataPoint[float64]) int { return int(p.Value) })
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					values[m.Name+labels(p.Attributes)] = int(p.Count) //nolint:gosec // small
				}
			}
		}
	}
	return values
}

func add[N int64 | float64](values map[string]int, name string, points []metricdata.DataPoint[N], value func(metricdata.DataPoint[N]) int) {
	for _, p := range points {
		values[name+labels(p.Attributes)] = value(p)
	}
}

func labels(set attribute.Set) string {
	text := ""
	for _, kv := range set.ToSlice() {
		text += " " + string(kv.Key) + "=" + kv.Value.String()
	}
	return text
}

// eventually waits until the metrics of tasks and runs that are not zero are these: a run
// records the last of them after its task has ended.
func (w *observed) eventually(want map[string]int) {
	w.Helper()
	var got map[string]int
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) { // between two looks
		got = w.metrics()
		maps.DeleteFunc(got, func(name string, n int) bool {
			return n == 0 || strings.HasPrefix(name, "mcptasks.store.") || strings.HasPrefix(name, "mcptasks.tasks") || strings.HasPrefix(name, "mcptasks.nodes") ||
				strings.HasPrefix(name, "mcptasks.queue.backlog") || strings.HasPrefix(name, "mcptasks.queue.oldest")
		})
		if maps.Equal(got, want) {
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		w.Logf("%s = %d", name, got[name])
	}
	w.Errorf("want %v", want)
}

// Each outcome of a run changes its own metrics and no others.
func TestMetricsOfRuns(t *testing.T) {
	const created, waited = "mcptasks.task.creates queue=reports tool=report", "mcptasks.queue.wait queue=reports tool=report"
	ran := func(outcome string) string { return "mcptasks.run.duration outcome=" + outcome + " tool=report" }
	finished := func(outcome string) string { return "mcptasks.task.finishes outcome=" + outcome + " tool=report" }
	const parked, retried = "mcptasks.task.parks tool=report", "mcptasks.task.retries tool=report"

	for do, tc := range map[string]struct {
		after func(w *observed, id string)
		want  map[string]int
	}{
		"":      {nil, map[string]int{created: 1, waited: 1, ran("completed"): 1, finished("completed"): 1}},
		"fail":  {nil, map[string]int{created: 1, waited: 2, ran("retried"): 1, ran("error"): 1, retried: 1, finished("error"): 1}},
		"panic": {nil, map[string]int{created: 1, waited: 1, ran("failed"): 1, finished("failed"): 1}},
		"ask": {
			func(w *observed, id string) {
				w.until(id, mcptasks.StatusInputRequired)
				w.eventually(map[string]int{created: 1, waited: 1, ran("parked"): 1, parked: 1})
				if err := w.Answer(w.Context(), "alice", id, map[string]json.RawMessage{"sure": json.RawMessage(`{"action":"accept","content":{}}`)}); err != nil {
					w.Fatal(err)
				}
			},
			map[string]int{created: 1, waited: 2, ran("parked"): 1, parked: 1, ran("completed"): 1, finished("completed"): 1},
		},
		"wait": {
			func(w *observed, id string) {
				<-w.runs
				w.eventually(map[string]int{created: 1, waited: 1, "mcptasks.run.active tool=report": 1})
				if _, err := w.Cancel(w.Context(), "alice", id); err != nil {
					w.Fatal(err)
				}
			},
			map[string]int{
				created: 1, waited: 1, ran("cancelled"): 1, finished("cancelled"): 1,
				"mcptasks.task.cancels kind=owner tool=report": 1, "mcptasks.cancel.latency tool=report": 1,
			},
		},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			w := open(t, true)
			id := w.create(do)
			if tc.after != nil {
				tc.after(w, id)
			}
			w.eventually(tc.want)
		})
	}
}

// A run that a stop ends has no other outcome. A cancel by an operator and one by the
// owner are counted separately.
func TestMetricsOfOtherEnds(t *testing.T) {
	t.Parallel()
	w := open(t, false)
	started := func() {
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-w.runs
	}
	id := w.create("wait")
	started()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(now); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"mcptasks.task.creates queue=reports tool=report":       1,
		"mcptasks.queue.wait queue=reports tool=report":         1,
		"mcptasks.run.duration outcome=interrupted tool=report": 1,
	}
	w.eventually(want)
	started()
	if err := w.Operator().Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	want["mcptasks.queue.wait queue=reports tool=report"]++
	want["mcptasks.run.duration outcome=cancelled tool=report"]++
	want["mcptasks.task.finishes outcome=cancelled tool=report"]++
	want["mcptasks.task.cancels kind=operator tool=report"]++
	want["mcptasks.cancel.latency tool=report"]++
	w.eventually(want)
}

// A run that lingers is notified of its task's cancel many times, which counts once.
func TestCancelLatencyCountsOnce(t *testing.T) {
	t.Parallel()
	w := open(t, true)
	id := w.create("linger")
	<-w.runs
	if _, err := w.Cancel(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	const looked = "mcptasks.store.duration op=check_runs outcome=ok"
	for first, deadline := w.metrics()[looked], time.Now().Add(20*time.Second); w.metrics()[looked] < first+3; <-time.After(5 * time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatal("the run was not looked for")
		}
	}
	close(w.goOn)
	w.eventually(map[string]int{
		"mcptasks.task.creates queue=reports tool=report": 1, "mcptasks.queue.wait queue=reports tool=report": 1,
		"mcptasks.run.duration outcome=cancelled tool=report": 1, "mcptasks.task.finishes outcome=cancelled tool=report": 1,
		"mcptasks.task.cancels kind=owner tool=report": 1, "mcptasks.cancel.latency tool=report": 1,
	})
}

// Each kind of operation on the database has its own duration, and a rejection is no
// failure. The figures of the whole database are read when the metrics are collected.
func TestMetricsOfTheDatabase(t *testing.T) {
	t.Parallel()
	w := open(t, false)
	w.create("")
	w.create("")
	if _, err := w.Get(t.Context(), "bob", w.create("")); !errors.Is(err, mcptasks.ErrNotFound) {
		t.Fatal(err)
	}
	got := w.metrics()
	for name, want := range map[string]int{
		"mcptasks.store.duration op=create outcome=ok":     3,
		"mcptasks.store.batch op=create":                   3,
		"mcptasks.store.duration op=get outcome=rejected":  1,
		"mcptasks.tasks kind=working":                      3,
		"mcptasks.tasks kind=input_required":               0,
		"mcptasks.nodes":                                   0,
		"mcptasks.queue.backlog queue=reports tool=report": 3,
		"mcptasks.queue.oldest queue=reports tool=report":  0, // a moment
		"mcptasks.store.duration op=survey outcome=ok":     1,
	} {
		if n, ok := got[name]; n != want || !ok {
			t.Errorf("%s = %d, %v, want %d", name, n, ok, want)
		}
	}
	for range 10 {
		got = w.metrics()
	}
	if n := got["mcptasks.store.duration op=survey outcome=ok"]; n != 1 {
		t.Errorf("the database was surveyed %d times at once", n)
	}
}

// No metric has an id, a key or an owner in its labels.
func TestLabelsNameNobody(t *testing.T) {
	t.Parallel()
	w := open(t, true)
	id := w.create("step")
	w.until(id, mcptasks.StatusCompleted)
	for name := range w.metrics() {
		for _, secret := range []string{id, "alice", "first", w.ID()} {
			if strings.Contains(name, secret) {
				t.Errorf("%s names %s", name, secret)
			}
		}
	}
}

// The spans of a task are one tree, however its runs end, and show no owner.
func TestSpansOfATask(t *testing.T) {
	t.Parallel()
	for do, want := range map[string][]string{
		"step": {"create report", "create report > run report completed", "run report > step"},
		"fail": {"create report", "create report > run report error", "create report > run report retried"},
		"ask":  {"create report", "create report > answer report", "create report > run report completed", "create report > run report parked asked"},
	} {
		w := open(t, true)
		id := w.create(do)
		if do == "ask" {
			w.until(id, mcptasks.StatusInputRequired)
			if err := w.Answer(t.Context(), "alice", id, map[string]json.RawMessage{"sure": json.RawMessage(`{"action":"accept","content":{}}`)}); err != nil {
				t.Fatal(err)
			}
		}
		w.until(id, mcptasks.StatusCompleted)
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		names, spans := make(map[string]string), w.spans.Ended()
		for _, span := range spans {
			names[span.SpanContext().SpanID().String()] = span.Name()
		}
		var tree []string
		for _, span := range spans {
			line := span.Name()
			if parent := names[span.Parent().SpanID().String()]; parent != "" {
				line = parent + " > " + line
			}
			for _, kv := range span.Attributes() {
				if kv.Key == "mcptasks.outcome" {
					line += " " + kv.Value.String()
				}
				if strings.Contains(kv.Value.String(), "alice") {
					t.Errorf("%s has the owner in %s", span.Name(), kv.Key)
				}
			}
			for _, event := range span.Events() {
				line += " " + event.Name
				if keys := event.Attributes[0].Value.AsStringSlice(); !slices.Equal(keys, []string{"sure"}) {
					t.Errorf("the questions' keys are %q", keys)
				}
			}
			tree = append(tree, line)
		}
		slices.Sort(tree)
		if !slices.Equal(tree, want) {
			t.Errorf("%s: the tree is %q, want %q", do, tree, want)
		}
	}
}

// The audit log has a line for each change, with who made it, and for each outcome that is
// read.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := open(t, true)
	wantLines := func(what string, want ...string) {
		t.Helper()
		var got []string
		for line := range strings.Lines(w.audit.drain()) {
			_, line, _ = strings.Cut(line, ` msg="mcptasks: audit" `)
			got = append(got, strings.TrimSpace(line))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	line := func(action, id, more string) string {
		return "action=" + action + " owner=alice task_id=" + id + " tool=report" + more
	}
	get := func(id string) {
		t.Helper()
		if _, err := w.Get(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
	}
	ctx, operator := t.Context(), w.Operator()

	id := w.create("ask")
	wantLines("create", line("create", id, ""))
	w.until(id, mcptasks.StatusInputRequired)
	get(id)
	yes := map[string]json.RawMessage{"other": json.RawMessage(`{"action":"accept"}`)}
	if err := w.Answer(ctx, "alice", id, yes); err != nil {
		t.Fatal(err)
	}
	_, err := w.Get(ctx, "bob", id)
	if !errors.Is(err, mcptasks.ErrNotFound) || w.Answer(ctx, "bob", id, yes) == nil {
		t.Error("bob found alice's task")
	}
	wantLines("what changes and hands out nothing")
	yes["sure"] = json.RawMessage(`{"action":"accept","content":{}}`)
	if err := operator.Answer(ctx, id, yes); err != nil {
		t.Fatal(err)
	}
	wantLines("an operator's answer", line("answer", id, " operator=true"))
	w.until(id, mcptasks.StatusCompleted)
	wantLines("a watch to the end", line("read", id, ""))
	get(id)
	wantLines("a get", line("read", id, ""))
	if _, err := w.Cancel(ctx, "alice", id); !errors.Is(err, mcptasks.ErrTerminal) {
		t.Fatal(err)
	}
	wantLines("a cancel that came too late", line("read", id, ""))
	if _, err := operator.Show(ctx, id); err != nil {
		t.Fatal(err)
	}
	wantLines("an operator's look", line("read", id, " operator=true"))
	again, err := operator.Retry(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	wantLines("an operator's retry", line("create", again.ID, " operator=true"))
	w.until(again.ID, mcptasks.StatusInputRequired)
	if err := w.Answer(ctx, "alice", again.ID, yes); err != nil {
		t.Fatal(err)
	}
	wantLines("an answer", line("answer", again.ID, ""))
	if err := operator.Delete(ctx, id); err != nil {
		t.Fatal(err)
	}
	wantLines("a delete", line("delete", id, " operator=true"))
	id = w.create("wait")
	<-w.runs
	w.audit.drain()
	if _, err := w.Cancel(ctx, "alice", id); err != nil {
		t.Fatal(err)
	}
	get(id)
	wantLines("a cancel", line("cancel", id, ""))
}

// A node that is closed no longer reads the database for metrics.
func TestMetricsEndWithClose(t *testing.T) {
	t.Parallel()
	var logged lockedBuffer
	reader := metric.NewManualReader()
	node, err := runner.Open(t.Context(), "sqlite::memory:", mcptasks.NewTools(), &runner.Config{
		Logger:        slog.New(slog.NewTextHandler(&logged, nil)),
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	err = reader.Collect(t.Context(), &all)
	if said := logged.drain(); err != nil || said != "" {
		t.Errorf("metrics of a closed node: %v, and the log says: %s", err, said)
	}
}
