package mcptasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Handler does a tool's work. It is a go-sdk tool handler with a [Run] in the
// request's place; what it returns, and how its result, output and error become
// the answer, is the SDK's (see [mcp.ToolHandlerFor]), with these additions:
//
//   - an error is retried while the tool's MaxAttempts allows, and is the
//     answer when they are spent; [Permanent] and *jsonrpc.Error end the task;
//   - [Snooze] runs the handler again later.
//
// A handler may run more than once for one task: after a retry, after the
// death of its node, after a shutdown. Work that must not be repeated belongs
// in a [Step]. Its context ends when the task is cancelled, times out, or the
// node stops; [context.Cause] says which.
type Handler[In, Out any] func(ctx context.Context, run *Run, in In) (*mcp.CallToolResult, Out, error)

// Tools is a set of tools, to be given to a node and to a server. Safe for
// concurrent use; tools are normally all added before either sees it.
type Tools struct {
	calls *toolcall.Set // has the same tools

	mu     sync.RWMutex
	byName map[string]*Tool
}

// Tool is a tool as [AddTool] was given it, with the options' defaults filled in.
type Tool struct {
	Name    string
	Options ToolOptions

	// HasHandler is false for a tool that is served here and worked elsewhere.
	HasHandler bool
}

// NewTools returns an empty set.
func NewTools() *Tools {
	return &Tools{calls: toolcall.NewSet(), byName: make(map[string]*Tool)}
}

// Internal is for this module's packages, which run the tools and mount them on servers.
func (t *Tools) Internal() *toolcall.Set { return t.calls }

// AddTool adds a durable tool. Its schemas are derived and checked as by
// [mcp.AddTool]. A nil handler makes a tool that is served here and worked by
// other nodes. AddTool panics, with the tool's name, if the tool, its schemas or
// its options are malformed or the name is already taken: this is a mistake in
// the program, best found at its start.
func AddTool[In, Out any](tools *Tools, tool *mcp.Tool, handler Handler[In, Out], opts *ToolOptions) {
	if tool == nil || tool.Name == "" {
		panic("mcptasks: AddTool: the tool has no name")
	}
	if err := addTool(tools, tool, handler, opts); err != nil {
		panic(fmt.Sprintf("mcptasks: AddTool %q: %v", tool.Name, err))
	}
}

func addTool[In, Out any](tools *Tools, tool *mcp.Tool, handler Handler[In, Out], opts *ToolOptions) error {
	options, err := opts.withDefaults()
	if err != nil {
		return err
	}
	var callable toolcall.Handler[In, Out]
	if handler != nil {
		callable = func(ctx context.Context, state *toolcall.Run, in In) (*mcp.CallToolResult, Out, error) {
			return handler(ctx, &Run{state}, in)
		}
	} else if options.TaskSupport == TaskForbidden {
		return errors.New("a tool that forbids tasks runs where it is served and needs a handler")
	}

	tools.mu.Lock()
	defer tools.mu.Unlock()
	if _, taken := tools.byName[tool.Name]; taken {
		return errors.New("there is already a tool of this name")
	}
	if err := toolcall.Add(tools.calls, tool, callable); err != nil {
		return err
	}
	tools.byName[tool.Name] = &Tool{Name: tool.Name, Options: options, HasHandler: handler != nil}
	return nil
}

// Get returns the tool of that name, and whether there is one.
func (t *Tools) Get(name string) (*Tool, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	tool, ok := t.byName[name]
	return tool, ok
}

// All returns the tools by name.
func (t *Tools) All() []*Tool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.SortedFunc(maps.Values(t.byName), func(a, b *Tool) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}
