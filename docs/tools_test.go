package docs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/tasktest"
)

// This file holds what tools.md shows.

type in struct {
	Order string `json:"order"`
}

type out struct {
	Shipment string `json:"shipment"`
}

func ship(ctx context.Context, run *mcptasks.Run, in in) (*mcp.CallToolResult, out, error) {
	payment, err := mcptasks.Step(ctx, run, "charge", func(ctx context.Context) (string, error) {
		return charge(ctx, in.Order, run.TaskID()) // the id is the bank's idempotency key
	})
	if err != nil {
		return nil, out{}, err
	}
	run.Progress(1, 2, "paid")

	shipment, err := mcptasks.Step(ctx, run, "ship", func(ctx context.Context) (string, error) {
		return book(ctx, in.Order, payment)
	})
	return nil, out{Shipment: shipment}, err
}

func charge(_ context.Context, order, key string) (string, error)   { return order + key, nil }
func book(_ context.Context, order, payment string) (string, error) { return order + payment, nil }

func newTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "ship", Description: "Charges and ships an order"}, ship, &mcptasks.ToolOptions{
		RunTimeout:  10 * time.Minute, // of one run
		Deadline:    48 * time.Hour,   // of the task, with its retries and its waiting
		MaxAttempts: 5,                // the first four errors are tried again
		Queue:       "shipping",
	})
	return tools
}

// declare adds a tool that another program works.
func declare(tools *mcptasks.Tools) {
	mcptasks.AddTool[in, out](tools, &mcp.Tool{Name: "ship", Description: "Charges and ships an order"}, nil,
		&mcptasks.ToolOptions{Queue: "shipping"})
}

func TestDeclare(*testing.T) { declare(mcptasks.NewTools()) }

func poll(ctx context.Context, run *mcptasks.Run, in in) (*mcp.CallToolResult, out, error) {
	status, err := trackingStatus(ctx, in.Order)
	switch {
	case errors.Is(err, errNoSuchOrder):
		return nil, out{}, mcptasks.Permanent(err) // trying again would not help
	case err != nil:
		return nil, out{}, err // tried again, as MaxAttempts allows
	case status != "delivered":
		run.Progress(0, 0, "on its way")
		return nil, out{}, mcptasks.Snooze(10 * time.Minute) // no worker waits, no attempt is used
	}
	return nil, out{Shipment: status}, nil
}

var errNoSuchOrder = errors.New("there is no such order")

func trackingStatus(_ context.Context, order string) (string, error) {
	switch order {
	case "":
		return "", errNoSuchOrder
	case "late":
		return "on its way", nil
	}
	return "delivered", nil
}

func refund(ctx context.Context, run *mcptasks.Run, in in) (*mcp.CallToolResult, out, error) {
	answer, err := run.Elicit(ctx, "approve", &mcp.ElicitParams{
		Message: "Refund " + in.Order + "?",
		RequestedSchema: map[string]any{
			"type": "object", "required": []string{"approved"},
			"properties": map[string]any{"approved": map[string]any{"type": "boolean"}},
		},
	})
	switch {
	case errors.Is(err, mcptasks.ErrUnanswered):
		return nil, out{}, errors.New("nobody answered in time")
	case err != nil: // above all ErrParked: there is no answer yet, and this run is over
		return nil, out{}, err
	case answer.Action != "accept" || answer.Content["approved"] != true:
		return nil, out{}, errors.New("it was not approved")
	}
	id, err := mcptasks.Step(ctx, run, "refund", func(ctx context.Context) (string, error) {
		return charge(ctx, in.Order, "-"+run.TaskID())
	})
	return nil, out{Shipment: id}, err
}

func watchOut(ctx context.Context, _ *mcptasks.Run, _ in) (*mcp.CallToolResult, out, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/slow", nil)
	if err != nil {
		return nil, out{}, err
	}
	response, err := http.DefaultClient.Do(request) // ends when ctx does
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, mcptasks.ErrCancelled) {
			fmt.Println("cancelled: undo what can be undone") // nothing recorded from here on
		}
		return nil, out{}, err
	}
	return nil, out{}, response.Body.Close()
}

func TestShip(t *testing.T) {
	task := tasktest.New(t, newTools()).Task("ship", map[string]any{"order": "o1"})

	task.KillDuring("ship") // the process dies when the work is done and not yet recorded
	task.Run()
	task.Run()

	if task.StepRuns("charge") != 1 { // recorded: not done again
		t.Errorf("charged %d times", task.StepRuns("charge"))
	}
	if task.StepRuns("ship") != 2 { // so book must stand being called twice
		t.Errorf("booked %d times", task.StepRuns("ship"))
	}
	if task.Status() != mcptasks.StatusCompleted {
		t.Errorf("the task is %s", task.Status())
	}
}

func TestRefund(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "refund"}, refund, nil)
	task := tasktest.New(t, tools).Task("refund", map[string]any{"order": "o1"})

	task.Run() // up to the question
	task.Answer("approve", &mcp.ElicitResult{Action: "accept", Content: map[string]any{"approved": true}})
	task.Run() // from the top, past it

	if task.Status() != mcptasks.StatusCompleted || task.StepRuns("refund") != 1 {
		t.Errorf("the task is %s after %d refunds", task.Status(), task.StepRuns("refund"))
	}
}

func TestPoll(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "poll"}, poll, nil)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "watch"}, watchOut, nil)
	worker := tasktest.New(t, tools)
	if end := worker.Task("poll", map[string]any{"order": "late"}).Run(); !end.Again || end.After != 10*time.Minute {
		t.Errorf("a late order: %+v", end)
	}
	if end := worker.Task("poll", map[string]any{"order": ""}).Run(); end.Again || !errors.Is(end.Cause, errNoSuchOrder) {
		t.Errorf("no order: %+v", end)
	}
	if end := worker.Task("watch", map[string]any{"order": ""}).Run(); end.Cause == nil {
		t.Errorf("nobody listens on port 1: %+v", end)
	}
}
