package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/runner"
)

// openOperator opens the database for an operator, who has no tools.
func openOperator(t *testing.T, db Database) *runner.Operator {
	t.Helper()
	operator, err := runner.OpenOperator(t.Context(), db.URL, &runner.Config{PollOnly: db.PollOnly})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := operator.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return operator
}

// operatorShows looks at a task that failed once, asked, and ended: each run's end is
// in its timeline, with the node.
func operatorShows(t *testing.T, db Database) {
	worked := make(chan time.Time, 1)
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ask"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		_, err := mcptasks.Step(ctx, run, "work", func(context.Context) (string, error) {
			for began := time.Now(); time.Since(began) < time.Millisecond; {
			}
			worked <- time.Now()
			return "value", nil
		})
		if err != nil {
			return nil, nil, err
		}
		if run.Attempt() == 1 {
			return nil, nil, errors.New("the password is hunter2")
		}
		_, err = run.Elicit(ctx, "confirm", confirm("Well?"))
		return done("answered"), nil, err
	}, &mcptasks.ToolOptions{MaxAttempts: 2, Backoff: func(int) time.Duration { return 0 }})
	p := serve(t, db, tools, true, nil, nil)
	operator := openOperator(t, db)

	before := time.Now().Truncate(time.Microsecond)
	id := p.call(t, "ask", map[string]any{}).TaskID
	p.parked(t, id)
	p.answer(t, id, map[string]any{"confirm": accepted(map[string]any{"confirm": true})})
	p.ended(t, id)

	shown, err := operator.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if shown.Status != mcptasks.StatusCompleted || shown.RunSeq != 3 || shown.RunNode != p.ID() || shown.RunAt.Before(before) ||
		shown.Attempts != 1 || shown.JobID != 0 || len(shown.Questions) != 1 || shown.Questions[0].Response == nil {
		t.Errorf("shown is %+v", shown)
	}
	var ends []driver.TimedEvent
	for _, event := range shown.Timeline {
		event.At = time.Time{}
		ends = append(ends, event)
	}
	want := []driver.TimedEvent{
		{Event: driver.Event{Kind: driver.EventError, Node: p.ID(), Detail: "the password is hunter2"}, RunSeq: 1},
		{Event: driver.Event{Kind: driver.EventParked, Node: p.ID(), Detail: `until ["confirm"] are answered`}, RunSeq: 2},
	}
	if len(ends) != len(want) || ends[0] != want[0] || ends[1] != want[1] {
		t.Errorf("the timeline is %+v, want %+v", ends, want)
	}
	if len(shown.Steps) != 1 {
		t.Fatalf("the steps are %+v, want one", shown.Steps)
	}
	step, at := shown.Steps[0], receive(t, "step", worked).Truncate(time.Microsecond)
	if step.Node != p.ID() || step.RunSeq != 1 || step.BeganAt.After(at) || step.EndedAt.Before(at) || step.BeganAt.Before(before) {
		t.Errorf("the step is %+v, it was worked at %s", step, at)
	}
}

// operatorWithoutTools watches, cancels and retries what a node works whose tools the
// operator does not know.
func operatorWithoutTools(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	began, cause := make(chan struct{}, 2), make(chan error, 2)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "wait"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		began <- struct{}{}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, nil, ctx.Err()
	}, nil)
	p := serve(t, db, tools, true, &runner.Config{SweepInterval: 200 * time.Millisecond}, nil)
	operator := openOperator(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	task, err := p.Create(ctx, "somebody", mcptasks.CreateParams{Tool: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{task.ID, "again"} {
		if id == "again" {
			again, err := operator.Retry(ctx, task.ID)
			if err != nil {
				t.Fatal(err)
			}
			id = again.ID
		}
		receive(t, "run", began)
		var seen []mcptasks.Status
		for task, err := range operator.Watch(ctx, id) {
			if err != nil {
				t.Fatal(err)
			}
			if seen = append(seen, task.Status); len(seen) == 1 {
				if err := operator.Cancel(ctx, id); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(seen) != 2 || seen[0] != mcptasks.StatusWorking || seen[1] != mcptasks.StatusCancelled {
			t.Errorf("the operator saw %q", seen)
		}
		if err := receive(t, "end of the run", cause); !errors.Is(err, mcptasks.ErrCancelled) {
			t.Errorf("the run ended with %v", err)
		}
		if task, err := p.Get(ctx, "somebody", id); err != nil || task.Status != mcptasks.StatusCancelled {
			t.Errorf("its owner sees %+v, %v", task, err)
		}
	}
}

// nodeOperator is a node's own: a run of its process is told at once that it is
// cancelled, and the node outlives the operator.
func nodeOperator(t *testing.T, db Database) {
	tools := mcptasks.NewTools()
	began, cause := make(chan struct{}), make(chan error, 1)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "wait"}, func(ctx context.Context, run *mcptasks.Run, _ noArgs) (*mcp.CallToolResult, any, error) {
		close(began)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, nil, ctx.Err()
	}, nil)
	p := serve(t, db, tools, true, &runner.Config{SweepInterval: time.Hour}, nil)
	id := p.call(t, "wait", nil).TaskID
	receive(t, "run", began)
	operator := p.Operator()
	nodes, err := operator.Nodes(t.Context())
	if err != nil || len(nodes) != 1 || nodes[0].ID != p.ID() || nodes[0].Running != 1 || len(nodes[0].Tools) != 1 || nodes[0].Tools[0] != "wait" {
		t.Errorf("the nodes are %+v, %v", nodes, err)
	}
	if err := operator.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "end of the run", cause); !errors.Is(err, mcptasks.ErrCancelled) {
		t.Errorf("the run ended with %v", err)
	}
	if err := operator.Close(); err != nil {
		t.Error(err)
	}
	if got := p.ended(t, id); got.Status != mcptasks.StatusCancelled {
		t.Errorf("the task is %s", got.Status)
	}
	if survey, err := operator.Survey(t.Context()); err != nil || len(survey.Tasks) != 0 || len(survey.Jobless) != 0 || len(survey.Taskless) != 0 {
		t.Errorf("the survey is %+v, %v", survey, err)
	}
}
