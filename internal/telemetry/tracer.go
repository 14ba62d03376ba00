package telemetry

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Names of spans. All but a step's are followed by the tool.
const (
	SpanCreate     = "create"     // a task and its job are written
	SpanRun        = "run"        // one run of the handler
	SpanAnswer     = "answer"     // the last answer gives the task a fresh job
	SpanRecover    = "recover"    // another node gives it one: its own died
	SpanRepair     = "repair"     // task and job did not agree
	SpanUnanswered = "unanswered" // a question's deadline has passed
	SpanStep       = "step"       // a step of a run, its recording included
)

// Attributes of spans. Owners are in none.
const (
	AttrMethod    = "mcp.method.name"
	AttrProtocol  = "mcp.protocol.version"
	AttrOperation = "gen_ai.operation.name" // execute_tool
	AttrTool      = "gen_ai.tool.name"
	AttrErrorType = "error.type"
	AttrCode      = "rpc.response.status_code"

	AttrTask    = "mcptasks.task.id"
	AttrQueue   = "mcptasks.queue"
	AttrRunSeq  = "mcptasks.run.seq"
	AttrAttempt = "mcptasks.attempt"
	AttrNode    = "mcptasks.node"
	AttrJob     = "mcptasks.job.id"
	AttrOutcome = "mcptasks.outcome"
	AttrStep    = "mcptasks.step.key"

	AttrQuestions = "mcptasks.question.keys"
)

// EventAsked is the event of a run's span that its questions end.
const EventAsked = "asked"

// Tracer makes the spans. Safe for concurrent use.
type Tracer struct {
	tracer trace.Tracer

	mu     sync.RWMutex
	starts map[start]*started
}

// NewTracer returns a tracer of the provider's; nil means the global one, whose spans
// do nothing until a program sets it.
func NewTracer(provider trace.TracerProvider) *Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &Tracer{tracer: provider.Tracer(Scope), starts: make(map[start]*started)}
}

// A start is what is known of a span before it begins, and the same for many: few
// names, and the tools.
type start struct {
	name, tool string
	kind       trace.SpanKind
}

// started is a start as the API takes it. A sampler sees it.
type started struct {
	name    string
	options []trace.SpanStartOption
}

func (t *Tracer) start(ctx context.Context, s start, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.mu.RLock()
	known := t.starts[s]
	t.mu.RUnlock()
	if known == nil {
		attributes := []attribute.KeyValue{attribute.String(AttrTool, text(s.tool)), attribute.String(AttrOperation, "execute_tool")}
		if s.kind == trace.SpanKindServer {
			attributes = append(attributes, attribute.String(AttrMethod, s.name))
			if s.tool == "" {
				attributes = attributes[2:]
			}
		}
		known = &started{
			name:    strings.TrimSuffix(s.name+" "+text(s.tool), " "),
			options: []trace.SpanStartOption{trace.WithSpanKind(s.kind), trace.WithAttributes(attributes...)},
		}
		t.mu.Lock()
		t.starts[s] = known
		t.mu.Unlock()
	}
	options := known.options
	if len(more) > 0 {
		options = append(options[:len(options):len(options)], more...)
	}
	return t.tracer.Start(ctx, known.name, options...)
}

// Request begins the span of a request that a server answers: "tools/call report",
// or the method alone if tool is "". Its parent is the trace context of the request's
// _meta, or else ambient, that of what brought the request: an HTTP request, say. If
// there are both it is linked to the latter.
func (t *Tracer) Request(ctx context.Context, ambient context.Context, method, tool string, meta map[string]any) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ambient)
	ctx = fromMeta(trace.ContextWithSpan(ctx, around), meta)
	var options []trace.SpanStartOption
	if link := around.SpanContext(); link.IsSampled() && !link.Equal(trace.SpanContextFromContext(ctx)) {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	return t.start(ctx, start{method, tool, trace.SpanKindServer}, options...)
}

// Create begins the span of a task's creation, in the caller's trace. Its context is
// stored with the task.
func (t *Tracer) Create(ctx context.Context, tool string) (context.Context, trace.Span) {
	return t.start(ctx, start{SpanCreate, tool, trace.SpanKindProducer})
}

// Again begins the span of what makes a further run necessary, SpanAnswer for one. It
// belongs to the task's trace, and is linked to the caller's; but an answer belongs to
// the trace of who gives it, and is linked to the task's.
func (t *Tracer) Again(ctx context.Context, name, tool string, origin Origin) (context.Context, trace.Span) {
	parent, link := origin.Creator, trace.SpanContextFromContext(ctx)
	if name == SpanAnswer && link.IsValid() || !parent.IsValid() {
		parent, link = link, parent
	} else {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	var options []trace.SpanStartOption
	if link.IsSampled() && !link.Equal(parent) {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	return t.start(ctx, start{name, tool, trace.SpanKindProducer}, options...)
}

// Run says which run a span is of.
type Run struct {
	TaskID, Tool, Queue, Node string
	JobID                     int64
	RunSeq, Attempt           int
}

// Run begins the span of a run: a child of the task's creation, linked to what made it
// necessary.
func (t *Tracer) Run(ctx context.Context, origin Origin, run Run) (context.Context, trace.Span) {
	if origin.Creator.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, origin.Creator)
	}
	var options []trace.SpanStartOption
	if origin.Cause.IsSampled() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: origin.Cause}))
	}
	ctx, span := t.start(ctx, start{SpanRun, run.Tool, trace.SpanKindConsumer}, options...)
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String(AttrTask, run.TaskID), attribute.String(AttrQueue, text(run.Queue)), attribute.String(AttrNode, run.Node),
			attribute.Int64(AttrJob, run.JobID), attribute.Int(AttrRunSeq, run.RunSeq), attribute.Int(AttrAttempt, run.Attempt))
	}
	return ctx, span
}

// Step begins the span of a step, if the context has one to which it can belong.
func Step(ctx context.Context, key string) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, notRecording
	}
	return around.TracerProvider().Tracer(Scope).Start(ctx, SpanStep, trace.WithAttributes(attribute.String(AttrStep, text(key))))
}

var notRecording = trace.SpanFromContext(context.Background())

// Asked notes in the context's span that the run ended because it asked questions.
func Asked[Question any](ctx context.Context, questions map[string]Question) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	keys := make([]string, 0, len(questions))
	for key := range questions {
		keys = append(keys, text(key))
	}
	slices.Sort(keys)
	span.AddEvent(EventAsked, trace.WithAttributes(attribute.StringSlice(AttrQuestions, keys)))
}

// SetTask says which task a span is about, and on which node that matters, "" if it
// does not.
func SetTask(span trace.Span, id, node string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String(AttrTask, id))
	if node != "" {
		span.SetAttributes(attribute.String(AttrNode, node))
	}
}

// EndRun ends the span of a run that has come to the outcome. cause is why the handler
// did not succeed, nil for no reason, or if that counts for nothing.
func EndRun(span trace.Span, outcome string, cause error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(AttrOutcome, outcome))
		switch outcome {
		case Error, Retried:
			SetToolError(span)
		case Failed:
			span.SetAttributes(attribute.String(AttrErrorType, Failed))
			span.SetStatus(codes.Error, "")
		default:
			cause = nil
		}
	}
	End(span, cause)
}

// SetProtocol says which version of MCP a request was of.
func SetProtocol(span trace.Span, version string) {
	if version != "" && span.IsRecording() {
		span.SetAttributes(attribute.String(AttrProtocol, text(version)))
	}
}

// SetCode says with which JSON-RPC error a request was answered. The caller's own
// mistake is no error of the span's.
func SetCode(span trace.Span, code int64, mistake bool) {
	if !span.IsRecording() {
		return
	}
	value := strconv.FormatInt(code, 10)
	span.SetAttributes(attribute.String(AttrCode, value))
	if !mistake {
		span.SetAttributes(attribute.String(AttrErrorType, value))
		span.SetStatus(codes.Error, "")
	}
}

// SetToolError says that the tool ran and answered with an error.
func SetToolError(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(AttrErrorType, "tool_error"))
		span.SetStatus(codes.Error, "")
	}
}

// End ends a span, with an error if err is one.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, text(err.Error()))
	}
	span.End()
}

// text is what an exporter can send: others' bytes may be no UTF-8, which would make
// it drop the whole batch, and may be many.
func text(s string) string {
	const limit = 1 << 10
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
