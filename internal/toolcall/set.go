package toolcall

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/fastpath/directcall"
	"github.com/mcptasks/mcptasks/internal/sdkserver"
)

// Handler does a tool's work, as mcptasks.Handler describes.
type Handler[In, Out any] func(ctx context.Context, run *Run, in In) (*mcp.CallToolResult, Out, error)

// Set holds tools with their handlers, by name. Safe for concurrent use.
type Set struct {
	server *sdkserver.Server // has the same tools

	mu     sync.RWMutex
	byName map[string]tool
}

// tool is a tool without its handler's type.
type tool struct {
	call  func(ctx context.Context, run *Run, arguments json.RawMessage) (mcp.Result, error)
	mount func(server *mcp.Server, intercept Intercept)
}

// Intercept gets a call whose arguments the SDK has accepted. Its error is the answer,
// as a typed handler's error is.
type Intercept func(ctx context.Context, req *mcp.CallToolRequest) error

// NewSet returns a set without tools.
func NewSet() *Set {
	return &Set{server: sdkserver.New(), byName: make(map[string]tool)}
}

// Add adds a tool whose name is not in the set yet. A nil handler makes a tool that
// can be mounted but not run here. Like [mcp.AddTool], it panics if a schema is
// malformed.
func Add[In, Out any](s *Set, given *mcp.Tool, handler Handler[In, Out]) error {
	definition := new(mcp.Tool)
	*definition = *given // Mount comes later, when the program may have changed its own

	handle, call := handler.observed(), s.dispatch(definition.Name)
	handle, call, err := directcall.Wrap(definition, handle, call) // the one use of the fast path
	if err != nil {
		return err
	}

	typed := func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
		return handle(ctx, contextRun(ctx), in)
	}
	mcp.AddTool(s.server.Server, definition, typed)
	added := tool{call: call, mount: func(server *mcp.Server, intercept Intercept) {
		if intercept == nil {
			mcp.AddTool(server, definition, typed)
			return
		}
		mcp.AddTool(server, definition, func(ctx context.Context, req *mcp.CallToolRequest, _ In) (result *mcp.CallToolResult, out Out, err error) {
			return nil, out, intercept(ctx, req)
		})
	}}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.byName[definition.Name] = added
	return nil
}

// observed returns the handler, changed so that its run keeps the error that it returned:
// [Caller.Call] reads it there.
func (h Handler[In, Out]) observed() func(ctx context.Context, run *Run, in In) (*mcp.CallToolResult, Out, error) {
	if h == nil {
		return func(context.Context, *Run, In) (result *mcp.CallToolResult, out Out, err error) {
			return nil, out, errors.New("mcptasks: this program has no handler for the tool")
		}
	}
	return func(ctx context.Context, run *Run, in In) (*mcp.CallToolResult, Out, error) {
		result, out, err := h(ctx, run, in)
		run.returned = err
		if permanent, ok := err.(*permanentError); ok { //nolint:errorlint // the SDK sends an unwrapped *jsonrpc.Error only
			err = permanent.err
		}
		return result, out, err
	}
}

// dispatch returns the call of a tool by the SDK's tools/call.
func (s *Set) dispatch(name string) func(ctx context.Context, run *Run, arguments json.RawMessage) (mcp.Result, error) {
	return func(ctx context.Context, run *Run, arguments json.RawMessage) (mcp.Result, error) {
		return s.server.Dispatch(context.WithValue(ctx, runKey{}, run), "tools/call", &mcp.CallToolRequest{
			Session: run.session,
			Params:  &mcp.CallToolParamsRaw{Name: name, Arguments: arguments},
		})
	}
}

// Mount adds the tool of that name, which the set must have, to a server with its
// schemas. Calls go to intercept. With a nil intercept they run the handler, with a Run
// that records nothing.
func (s *Set) Mount(server *mcp.Server, name string, intercept Intercept) {
	s.get(name).mount(server, intercept)
}

// get returns the tool of that name. The call of an unknown one is the SDK's to answer.
func (s *Set) get(name string) tool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if tool, ok := s.byName[name]; ok {
		return tool
	}
	return tool{call: s.dispatch(name)}
}

// NewCaller returns a caller of the set's tools. Close it when done.
func (s *Set) NewCaller() (*Caller, error) {
	session, err := s.server.NewSession()
	if err != nil {
		return nil, err
	}
	return &Caller{set: s, session: session}, nil
}
