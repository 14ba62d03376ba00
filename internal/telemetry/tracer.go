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

// Names of spans. All but a step's are followed by the name of the tool.
const (
	SpanCreate     = "create"     // a task and its job are created
	SpanRun        = "run"        // one run of the handler
	SpanAnswer     = "answer"     // the last answer gives the task a fresh job
	SpanRecover    = "recover"    // another node gives it a fresh job: its own died
	SpanRepair     = "repair"     // task and job disagreed
	SpanUnanswered = "unanswered" // a question's deadline has passed
	SpanStep       = "step"       // a step of a run, including its recording
)

// Attributes of spans. None has an owner.
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

// EventAsked is the event in the span of a run that ended with questions.
const EventAsked = "asked"

// Tracer starts spans. Safe for concurrent use.
type Tracer struct {
	tracer trace.Tracer

	mu     sync.RWMutex
	starts map[start]*started
}

// NewTracer returns a tracer of the provider. nil is the global provider, whose spans do
// nothing until the program sets one.
func NewTracer(provider trace.TracerProvider) *Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return &Tracer{tracer: provider.Tracer(Scope), starts: make(map[start]*started)}
}

// A start is what many spans have in common when they start. There are few: one for each
// name, tool and kind.
type start struct {
	name, tool string
	kind       trace.SpanKind
}

// started is a start in the form that the API needs. Samplers see its attributes.
type started struct {
	name    string
	options []trace.SpanStartOption
}

func (t *Tracer) start(ctx context.Context, s start, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.mu.RLock()
	cached := t.starts[s]
	t.mu.RUnlock()
	if cached == nil {
		attributes := []attribute.KeyValue{attribute.String(AttrTool, text(s.tool)), attribute.String(AttrOperation, "execute_tool")}
		if s.kind == trace.SpanKindServer {
			attributes = append(attributes, attribute.String(AttrMethod, s.name))
			if s.tool == "" {
				attributes = attributes[2:]
			}
		}
		cached = &started{
			name:    strings.TrimSuffix(s.name+" "+text(s.tool), " "),
			options: []trace.SpanStartOption{trace.WithSpanKind(s.kind), trace.WithAttributes(attributes...)},
		}
		t.mu.Lock()
		t.starts[s] = cached
		t.mu.Unlock()
	}
	options := cached.options
	if len(more) > 0 {
		options = append(options[:len(options):len(options)], more...)
	}
	return t.tracer.Start(ctx, cached.name, options...)
}

// Request starts the span of a request to a server: "tools/call report", or only the method
// if tool is "". Its parent is the trace context in the request's _meta, or else the span of
// ambient, for instance of the HTTP request. If there are both, the span links to the
// latter.
func (t *Tracer) Request(ctx context.Context, ambient context.Context, method, tool string, meta map[string]any) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ambient)
	ctx = fromMeta(trace.ContextWithSpan(ctx, around), meta)
	var options []trace.SpanStartOption
	if link := around.SpanContext(); link.IsSampled() && !link.Equal(trace.SpanContextFromContext(ctx)) {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	return t.start(ctx, start{method, tool, trace.SpanKindServer}, options...)
}

// Create starts the span of a task's creation, in the caller's trace. Its context is stored
// with the task.
func (t *Tracer) Create(ctx context.Context, tool string) (context.Context, trace.Span) {
	return t.start(ctx, start{SpanCreate, tool, trace.SpanKindProducer})
}

// Cause starts the span of an event that leads to a further run, such as SpanAnswer. The
// span is in the task's trace and links to the caller's. The span of an answer is in the
// caller's trace and links to the task's.
func (t *Tracer) Cause(ctx context.Context, name, tool string, origin Origin) (context.Context, trace.Span) {
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

// Run identifies the run of a span.
type Run struct {
	TaskID, Tool, Queue, Node string
	JobID                     int64
	RunSeq, Attempt           int
}

// Run starts the span of a run: a child of the task's creation, with a link to the event
// that led to the run.
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

// Step starts the span of a step, if ctx has a span that records.
func Step(ctx context.Context, key string) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, notRecording
	}
	return around.TracerProvider().Tracer(Scope).Start(ctx, SpanStep, trace.WithAttributes(attribute.String(AttrStep, text(key))))
}

var notRecording = trace.SpanFromContext(context.Background())

// AddQuestions adds an event to the span of ctx: the run ended because it asked questions.
func AddQuestions[Question any](ctx context.Context, questions map[string]Question) {
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

// SetTask sets the task of a span, and the node unless it is "".
func SetTask(span trace.Span, id, node string) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String(AttrTask, id))
	if node != "" {
		span.SetAttributes(attribute.String(AttrNode, node))
	}
}

// EndRun ends the span of a run. cause is the handler's error, nil if there is none. Only
// the outcomes of a failure report it.
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

// SetProtocol sets the version of MCP of a request.
func SetProtocol(span trace.Span, version string) {
	if version != "" && span.IsRecording() {
		span.SetAttributes(attribute.String(AttrProtocol, text(version)))
	}
}

// SetCode sets the code of the JSON-RPC error that a request got. mistake is true for an
// error of the caller, which does not make the span an error.
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

// SetToolError marks a span whose tool returned a result with isError.
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

// text makes text of clients and tools fit for an exporter. It shortens long text, and
// replaces bytes that are not UTF-8: an exporter drops the whole batch because of them.
func text(s string) string {
	const limit = 1 << 10
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
