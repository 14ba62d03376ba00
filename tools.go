package mcptasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// Handler does a tool's work. It is a go-sdk tool handler that gets a [Run] in place of
// the request. The SDK makes the answer of its result, output and error (see
// [mcp.ToolHandlerFor]), with these additions:
//
//   - An error is retried while the tool's MaxAttempts allows, and is then the answer.
//     [Permanent] and *jsonrpc.Error are not retried.
//   - [Snooze] runs the handler again later.
//
// A handler may run more than once for one task: after a question, a retry, a shutdown,
// or the death of its node. Work that must not be repeated belongs in a [Step]. The
// context ends when the task is cancelled, the run times out or the node stops;
// [context.Cause] says which.
type Handler[In, Out any] func(ctx context.Context, run *Run, in In) (*mcp.CallToolResult, Out, error)

// Tools is a set of tools, for a node and for a server. Safe for concurrent use. Add all
// tools before you pass it to either.
type Tools struct {
	calls *toolcall.Set // has the same tools

	mu     sync.RWMutex
	byName map[string]*Tool
}

// Tool is what [AddTool] got, with the options' defaults filled in.
type Tool struct {
	Name    string
	Options ToolOptions

	// HasHandler is false for a tool that this program serves and other nodes run.
	HasHandler bool
}

// NewTools returns an empty set.
func NewTools() *Tools {
	return &Tools{calls: toolcall.NewSet(), byName: make(map[string]*Tool)}
}

// Internal returns what the packages of this module run tools with. It is not for
// programs: the type it returns is not part of the API.
func (t *Tools) Internal() *toolcall.Set { return t.calls }

// AddTool adds a durable tool. Its schemas are derived and checked as by [mcp.AddTool]. A
// nil handler is for a program that serves the tool and leaves its runs to other nodes.
//
// AddTool panics, with the tool's name, if the name is taken, or if the tool, its schemas
// or its options are malformed: that is a mistake in the program, best found at its start.
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
	if _, exists := tools.byName[tool.Name]; exists {
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

// All returns all tools, sorted by name.
func (t *Tools) All() []*Tool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.SortedFunc(maps.Values(t.byName), func(a, b *Tool) int { return strings.Compare(a.Name, b.Name) })
}
