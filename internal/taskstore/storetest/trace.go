package storetest

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// traceTests look at the origin that is stored with a task: the span that made it,
// and the one that made its next run necessary.
func traceTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"the creation's", traced(func(f *fixture[TTx], spans *spans) {
			plain, keyed := f.create(1)[0], f.make(f.keyed("k"))
			f.make(f.keyed("k"))
			equal(f.T, "the spans", spans.names(), "create report, create report, create report")
			f.wantOrigin(f.claim(plain.ID), spans.at(0), nil)
			f.wantOrigin(f.claim(keyed.ID), spans.at(1), nil)
		})},
		{"not traced", func(f *fixture[TTx]) {
			run := f.begin()
			equal(f.T, "the stored context", f.column(run.TaskID, "trace_context"), "<nil>")
			f.retry(run.Fence, "once")
			f.park(f.claim(run.TaskID), "a")
			f.must(f.answer(run.TaskID, "a"))
			equal(f.T, "the stored context", f.column(run.TaskID, "trace_context"), "<nil>")
			equal(f.T, "the claimed one", f.claim(run.TaskID).TraceContext, "")
		}},
		{"a retry's", traced(func(f *fixture[TTx], spans *spans) {
			run := f.begin()
			f.wantOrigin(run, spans.at(0), nil)
			ctx, failed := spans.Start(f.ctx, "run report")
			held, err := f.store.FailAttempt(ctx, driver.FailedAttempt{Fence: run.Fence, TraceContext: origin(spans.at(0), failed), Event: driver.Event{Kind: driver.EventError}})
			f.must(err)
			equal(f.T, "held", held, true)
			again := f.claim(run.TaskID)
			f.wantOrigin(again, spans.at(0), failed)
			f.retry(again.Fence, "untraced") // on a node that does not trace
			f.wantOrigin(f.claim(run.TaskID), spans.at(0), failed)
		})},
		{"an answer's", traced(func(f *fixture[TTx], spans *spans) {
			run := f.parked("a", "b")
			f.must(f.answer(run.TaskID, "a"))
			equal(f.T, "the spans", spans.names(), "create report")
			f.must(f.answer(run.TaskID, "b"))
			equal(f.T, "the spans", spans.names(), "create report, answer report")
			f.wantOrigin(f.claim(run.TaskID), spans.at(0), spans.at(1))
		})},
		{"a recovery's", traced(func(f *fixture[TTx], spans *spans) {
			run := f.begin()
			f.startJob(run.JobID, "dead")
			_, err := f.store.Reap(f.ctx, "reaper", 0, func() bool { return true })
			f.must(err)
			equal(f.T, "the spans", spans.names(), "create report, recover report")
			f.wantOrigin(f.claim(run.TaskID), spans.at(0), spans.at(1))
		})},
		{"a repair's and an unanswered question's", traced(func(f *fixture[TTx], spans *spans) {
			repaired := f.begin()
			f.endJob(repaired.JobID, rivertype.JobStateCompleted)
			f.clock.advance(settled * 2)
			f.must(f.store.Sweep(f.ctx, settled))
			f.wantOrigin(f.claim(repaired.TaskID), spans.at(0), spans.at(1))
			asked := f.parked("a")
			f.clock.advance(within * 2)
			f.must(f.store.Sweep(f.ctx, within))
			f.wantOrigin(f.claim(asked.TaskID), spans.at(2), spans.at(3))
			equal(f.T, "the spans", spans.names(), "create report, repair report, create report, unanswered report")
		})},
		{"an operator's", traced(func(f *fixture[TTx], spans *spans) {
			run := f.begin()
			f.finish(run.Fence, result(`{}`))
			again, err := f.store.Operator().Retry(f.ctx, run.TaskID)
			f.must(err)
			f.wantOrigin(f.claim(again.ID), spans.at(1), nil)
		})},
	}
}

func traced[TTx any](run func(*fixture[TTx], *spans)) func(*fixture[TTx]) {
	return func(f *fixture[TTx]) {
		spans := &spans{}
		f.store = f.newStore(config.Config{TracerProvider: provider{spans: spans}})
		run(f, spans)
	}
}

// wantOrigin fails the test unless the run's task was made, and the run made
// necessary, in these spans. nil means no span.
func (f *fixture[TTx]) wantOrigin(run *driver.Claimed, creator, cause trace.Span) {
	f.Helper()
	equal(f.T, "the stored context", run.TraceContext, origin(creator, cause))
	f.must(f.driver.InTx(f.ctx, func(tx TTx) error {
		locked, err := f.driver.Lock(f.ctx, tx, run.TaskID, false)
		if err == nil {
			equal(f.T, "the locked one", locked.TraceContext, run.TraceContext)
		}
		return err
	}))
}

func origin(creator, cause trace.Span) string {
	text := `{"traceparent":"` + parent(creator) + `"`
	if cause != nil {
		text += `,"cause":"` + parent(cause) + `"`
	}
	return text + "}"
}

func parent(span trace.Span) string {
	sc := span.SpanContext()
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"
}

// spans is a tracer that remembers its spans: the SDK is not for packages that are no
// tests themselves.
type spans struct {
	noop.Tracer

	mu  sync.Mutex
	all []span
}

type provider struct {
	noop.TracerProvider
	spans *spans
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.spans }

type span struct {
	noop.Span
	name    string
	context trace.SpanContext
}

func (s span) SpanContext() trace.SpanContext { return s.context }

func (s *spans) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var id trace.SpanID
	binary.BigEndian.PutUint64(id[:], uint64(len(s.all)+1))
	started := span{name: name, context: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: id, TraceFlags: trace.FlagsSampled,
	})}
	s.all = append(s.all, started)
	return trace.ContextWithSpan(ctx, started), started
}

func (s *spans) at(i int) trace.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[i]
}

func (s *spans) names() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := ""
	for i, span := range s.all {
		if i > 0 {
			names += ", "
		}
		names += span.name
	}
	return names
}
