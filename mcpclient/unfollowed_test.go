package mcpclient_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// The SDK's session sends no tools/call, since nobody would follow its task. It does not
// even in a handler, which inherits the context of a followed call.
func TestUnfollowedCallsAreNotSent(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		called := 0
		s.call = func(ctx context.Context, req *mcp.CallToolRequest) (mcp.Result, error) {
			if called++; req.Params.InputResponses != nil {
				return s.handle(), nil
			}
			return &inputRequired{Result: "input_required", InputRequests: map[string]any{
				"name": map[string]any{"method": "elicitation/create", "params": map[string]any{
					"mode": "form", "message": "Your name?", "requestedSchema": map[string]any{"type": "object", "properties": map[string]any{}},
				}},
			}}, nil
		}
		unfollowed := func(where string, ctx context.Context, session *mcp.ClientSession) {
			t.Helper()
			before := called
			_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "report"})
			if err == nil || !strings.Contains(err.Error(), "use CallTool or Start of mcpclient.Session") || called != before {
				t.Errorf("%s: error %v after %d calls", where, err, called-before)
			}
		}
		var session *mcpclient.Session
		asked := 0
		session = connect(t, transport, &mcp.ClientOptions{
			ElicitationHandler: func(ctx context.Context, _ *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				if asked++; asked == 1 {
					unfollowed("in a handler", ctx, session.ClientSession())
				}
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
			},
		})
		unfollowed("the SDK's session", t.Context(), session.ClientSession())
		if started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"}); err != nil || started.Task == nil || asked != 1 || called != 2 {
			t.Errorf("started %+v, %v after %d questions and %d calls", started, err, asked, called)
		}
		tools, err := session.ClientSession().ListTools(t.Context(), nil)
		if err != nil || !slices.ContainsFunc(tools.Tools, func(tool *mcp.Tool) bool { return tool.Name == "plain" }) {
			t.Errorf("tools %+v, %v", tools, err)
		}
	})
}

func TestSessionOfTheEmbeddedClient(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.call = func(context.Context, *mcp.CallToolRequest) (mcp.Result, error) {
		t.Error("the call was sent")
		return s.handle(), nil
	}
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Client.Connect(t.Context(), wires["sse"](t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "report"}); err == nil {
		t.Errorf("%s was sent", mcpwire.MethodCall)
	}
}
