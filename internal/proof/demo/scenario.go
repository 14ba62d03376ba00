package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpclient"
)

const (
	steps      = 6 // of a second each
	killAfter  = 2 // steps that the client has seen done
	maxPolling = 30 * time.Second
)

// scenario runs the demo and returns what was observed. All processes have ended when it
// returns.
func scenario(ctx context.Context, s *screen, binary, db string) (_ *observations, err error) {
	seen := &observations{steps: steps, next: make(chan stepRun, 100)}
	var servers []*server
	defer func() {
		for _, server := range servers {
			server.kill()
			if err != nil {
				s.log(server)
			}
		}
	}()

	first, err := startServer(ctx, s, seen, binary, db)
	if err != nil {
		return nil, err
	}
	servers = append(servers, first)
	if err := startTask(ctx, s, seen, first); err != nil {
		return nil, err
	}
	s.say("demo", "kill -9 %d", first.pid())
	seen.killed = first.kill()

	second, err := startServer(ctx, s, seen, binary, db)
	if err != nil {
		return nil, err
	}
	servers = append(servers, second)
	return seen, finishTask(ctx, s, seen, second)
}

// startTask calls the tool, and returns when the client has seen killAfter steps done and
// the server runs the next one.
func startTask(ctx context.Context, s *screen, seen *observations, server *server) error {
	seen.first = server.pid()
	session, err := connect(ctx, server.url)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()

	s.say("client", "tools/call report, %d steps of a second each", steps)
	called := time.Now()
	started, err := session.Start(ctx, &mcp.CallToolParams{
		Name:      "report",
		Arguments: map[string]any{"topic": "tides", "steps": steps},
	})
	if err != nil {
		return err
	}
	if started.Task == nil {
		return errors.New("the tool answered without a task")
	}
	seen.answeredIn = time.Since(called)
	seen.startedID = started.Task.ID
	s.say("client", "has task %s after %s", seen.startedID, seen.answeredIn.Round(time.Millisecond))

	task, err := follow(ctx, s, session, seen.startedID, func(task *mcpclient.Task) bool {
		return doneSteps(task) >= killAfter
	})
	if err != nil {
		return err
	}
	seen.statusAtKill, seen.doneAtKill = task.Status, doneSteps(task)
	return seen.began(ctx, seen.doneAtKill+1)
}

// finishTask follows the task to its end in a new session, and stops the server.
func finishTask(ctx context.Context, s *screen, seen *observations, server *server) error {
	seen.second = server.pid()
	session, err := connect(ctx, server.url)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	task, err := follow(ctx, s, session, seen.startedID, func(*mcpclient.Task) bool { return false })
	if err != nil {
		return err
	}
	seen.endedID, seen.endedAs = task.ID, task.Status
	if err := server.stop(); err != nil {
		return err
	}
	result, err := task.CallToolResult()
	if err != nil {
		return err
	}
	seen.isError, seen.text = result.IsError, textOf(result)
	for line := range strings.Lines(seen.text) {
		s.say("result", "%s", strings.TrimSpace(line))
	}
	return nil
}

func connect(ctx context.Context, url string) (*mcpclient.Session, error) {
	client := mcpclient.NewClient(&mcp.Implementation{Name: "mcptasks-demo", Version: "v1"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url}, nil)
}

// follow polls until the task has ended or enough returns true.
func follow(ctx context.Context, s *screen, session *mcpclient.Session, id string, enough func(*mcpclient.Task) bool) (*mcpclient.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, maxPolling)
	defer cancel()
	for {
		task, err := session.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		s.say("client", "tasks/get: %-9s  %s", task.Status, task.StatusMessage)
		if task.Status.Terminal() || enough(task) {
			return task, nil
		}
		select {
		case <-time.After(min(task.PollInterval, time.Second)):
		case <-ctx.Done():
			return nil, fmt.Errorf("task %s was still %s after %s", id, task.Status, maxPolling)
		}
	}
}

// doneSteps returns the number of steps done in the task's status message.
func doneSteps(task *mcpclient.Task) int {
	var done, of int
	if n, _ := fmt.Sscanf(task.StatusMessage, "%d of %d steps done", &done, &of); n != 2 || of != steps {
		return 0
	}
	return done
}

func textOf(result *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range result.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}
