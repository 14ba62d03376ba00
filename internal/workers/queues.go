package workers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mcptasks/mcptasks"
)

// workable returns the tools that a node can work.
func workable(tools *mcptasks.Tools) []*mcptasks.Tool {
	return slices.DeleteFunc(tools.All(), func(tool *mcptasks.Tool) bool {
		return !tool.HasHandler || tool.Options.TaskSupport == mcptasks.TaskForbidden
	})
}

// queuesOf returns the names of the tools' queues, sorted.
func queuesOf(tools []*mcptasks.Tool) []string {
	names := make(map[string]struct{})
	for _, tool := range tools {
		names[tool.Options.Queue] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names))
}

// queues returns the names of the queues that are worked here, sorted.
func (w *Workers) queues() []string {
	var tools []*mcptasks.Tool
	for _, name := range w.names {
		tool, _ := w.tools.Get(name)
		tools = append(tools, tool)
	}
	return queuesOf(tools)
}

// checkWork returns an error if no tool has a handler, or if a queue to be worked here is
// no tool's.
func (w *Workers) checkWork() error {
	all := queuesOf(workable(w.tools))
	if len(all) == 0 {
		return &mcptasks.Error{
			Op:   "start",
			Err:  errors.New("there is nothing to work: no tool has a handler"),
			Hint: "give AddTool a handler, or do not Start a node that only serves",
		}
	}
	for _, queue := range w.config.Queues {
		if !slices.Contains(all, queue) {
			return &mcptasks.Error{
				Op:   "start",
				Err:  fmt.Errorf("%w: no tool with a handler has the queue %q", mcptasks.ErrInvalid, queue),
				Hint: "the tools' queues: " + strings.Join(all, ", "),
			}
		}
	}
	return nil
}
