package mcpclient_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/trace"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// Requests have the caller's trace context in their _meta. Polls do not. The client does not
// replace a trace context that the caller has set.
func TestRequestsCarryTheirTrace(t *testing.T) {
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		var mu sync.Mutex
		seen := make(map[string]any)
		s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				mu.Lock()
				if parent, ok := req.GetParams().GetMeta()["traceparent"]; ok {
					seen[method] = parent
				}
				mu.Unlock()
				return next(ctx, method, req)
			}
		})
		seenSince := func() map[string]any {
			mu.Lock()
			defer mu.Unlock()
			got := maps.Clone(seen)
			clear(seen)
			return got
		}
		s.set(func(task *mcpwire.Task) {
			task.Status = mcptasks.StatusInputRequired
			task.InputRequests = map[string]mcpwire.InputRequest{"sure": {Method: mcptasks.MethodElicit, Params: json.RawMessage(`{"message":"Sure?","requestedSchema":{"type":"object","properties":{}}}`)}}
		})
		s.answered = func(task *mcpwire.Task, _, _ string) error {
			task.Status, task.InputRequests, task.Result = mcptasks.StatusCompleted, nil, json.RawMessage(bigResult)
			return nil
		}
		session := connect(t, transport, &mcp.ClientOptions{
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
			},
		})
		if _, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil {
			t.Fatal(err)
		}
		if got := seenSince(); len(got) > 0 {
			t.Errorf("out of any trace these carried one: %v", got)
		}

		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		const traceparent = "00-01000000000000000000000000000000-0200000000000000-01"
		ctx := trace.ContextWithSpanContext(t.Context(), span)
		given := &mcp.CallToolParams{Name: "report", Meta: mcp.Meta{"note": 1}}
		if _, err := session.CallTool(ctx, given); err != nil {
			t.Fatal(err)
		}
		if err := session.Cancel(ctx, taskID); err != nil {
			t.Fatal(err)
		}
		got := seenSince()
		if want := []string{mcpwire.MethodCancel, mcpwire.MethodUpdate, mcpwire.MethodCall}; !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
			t.Errorf("these carried the trace: %v, want %v", got, want)
		}
		for method, parent := range got {
			if parent != traceparent {
				t.Errorf("%s carried %v", method, parent)
			}
		}
		if len(given.Meta) != 1 {
			t.Errorf("the caller's params were changed to %v", given.Meta)
		}

		if _, err := session.Start(ctx, &mcp.CallToolParams{Name: "report", Meta: mcp.Meta{"traceparent": "mine"}}); err != nil {
			t.Fatal(err)
		}
		if got := seenSince(); got[mcpwire.MethodCall] != "mine" {
			t.Errorf("the caller's own was replaced: %v", got)
		}
	})
}
