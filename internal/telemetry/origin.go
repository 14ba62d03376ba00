package telemetry

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// w3c is the one format of trace contexts, in requests (SEP-414) as in the database.
var w3c propagation.TraceContext

// Origin is where a task's next run comes from, as it is stored with the task.
type Origin struct {
	// Creator is the span that made the task: the parent of all its runs.
	Creator trace.SpanContext
	// Cause is what made the next run necessary, after the first: the run that
	// failed, the answer, the recovery. Always a span that has been exported, or will
	// be: a run that was killed is not.
	Cause trace.SpanContext
}

// stored is an Origin's JSON. The members of the first two are W3C's.
type stored struct {
	TraceParent string `json:"traceparent,omitempty"`
	TraceState  string `json:"tracestate,omitempty"`
	Cause       string `json:"cause,omitempty"` // a traceparent
}

// ParseOrigin reads what String wrote. What it did not write is no origin.
func ParseOrigin(text string) Origin {
	if text == "" {
		return Origin{}
	}
	var s stored
	if json.Unmarshal([]byte(text), &s) != nil {
		return Origin{}
	}
	return Origin{Creator: parse(s.TraceParent, s.TraceState), Cause: parse(s.Cause, "")}
}

// String is the origin as it is stored: nothing if there is no creator.
func (o Origin) String() string {
	if !o.Creator.IsValid() {
		return ""
	}
	creator, cause := format(o.Creator), format(o.Cause)
	data, _ := json.Marshal(stored{TraceParent: creator[traceParent], TraceState: creator[traceState], Cause: cause[traceParent]}) // text is always JSON
	return string(data)
}

// After returns the stored origin of a run that the context's span causes, "" if that
// tells nothing that is not stored already.
func After(ctx context.Context, stored string) string {
	origin, cause := ParseOrigin(stored), trace.SpanContextFromContext(ctx)
	if !cause.IsValid() || cause.SpanID() == origin.Creator.SpanID() {
		return "" // nobody traces here: the span is the creator's own, passed on
	}
	if !origin.Creator.IsValid() { // whoever made the task did not trace
		origin.Creator = cause
	}
	origin.Cause = cause
	return origin.String()
}

const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

func parse(parent, state string) trace.SpanContext {
	ctx := w3c.Extract(context.Background(), propagation.MapCarrier{traceParent: parent, traceState: state})
	return trace.SpanContextFromContext(ctx)
}

func format(span trace.SpanContext) propagation.MapCarrier {
	carrier := make(propagation.MapCarrier, 2)
	w3c.Inject(trace.ContextWithSpanContext(context.Background(), span), carrier)
	return carrier
}
