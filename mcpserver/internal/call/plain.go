package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpserver/internal/session"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// Names of the helper tools that a call's answer refers to.
const (
	StatusTool = "task_status"
	ResultTool = "task_result"
)

// plain answers a client that does not know tasks with its task's result. A client that
// has a session is asked meanwhile what the task asks, as by any tool. When the wait is
// over, the answer names the task if there are helper tools that can ask for it.
// Otherwise, or if the client has gone away, nobody could ever ask for the task, so it is
// cancelled.
func (c *Calls) plain(ctx context.Context, req mcp.Request, task *mcptasks.Task, wait time.Duration) (mcp.Result, error) {
	wait = cmp.Or(wait, c.options.PlainWait)
	request := sideband.FromContext(ctx)
	var s *session.Session
	if request.Generation != mcpwire.TasksExtension {
		client, _ := req.GetSession().(*mcp.ServerSession)
		s = c.sessions.Of(ctx, client)
	}
	last, failed := c.wait(ctx, request.Owner, task, wait, ended, s)
	if last != nil {
		return c.result(ctx, req, last)
	}
	if failed == nil && c.options.HelperTools && !request.ClientGone() {
		return c.result(ctx, req, &mcptasks.Task{Outcome: textOutcome(fmt.Sprintf(
			"The work goes on as task %s. Ask for its result with %s, or for how far it is with %s.", task.ID, ResultTool, StatusTool), false)})
	}

	ctx = context.WithoutCancel(ctx)
	cancelling, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	last, err := c.service.Cancel(cancelling, request.Owner, task.ID)
	if errors.Is(err, mcptasks.ErrTerminal) { // it ended at the last moment
		return c.result(ctx, req, last)
	}
	if err = cmp.Or(failed, err); err != nil {
		return nil, c.service.Error(ctx, err)
	}
	return c.result(ctx, req, &mcptasks.Task{Outcome: textOutcome(fmt.Sprintf(
		"The tool did not finish within %s and was cancelled. A client that supports MCP tasks can wait for it.", wait), true)})
}

// WaitPlain waits for a task as a plain call does, but also until the task asks something.
// It returns nil if neither happens within Options.PlainWait.
func (c *Calls) WaitPlain(ctx context.Context, owner mcptasks.Owner, task *mcptasks.Task) (*mcptasks.Task, error) {
	return c.wait(ctx, owner, task, c.options.PlainWait, endedOrAsks, nil)
}

func textOutcome(sentence string, isError bool) *mcptasks.Outcome {
	result, _ := json.Marshal(&mcp.CallToolResult{IsError: isError, Content: []mcp.Content{&mcp.TextContent{Text: sentence}}}) // text is always JSON
	return &mcptasks.Outcome{Result: result, IsError: isError}
}
