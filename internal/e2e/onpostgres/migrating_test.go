package onpostgres

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// TestMigrateUnderLoad fills a database of the schema before this release's with
// tasks of every status, and migrates it while two nodes work it, up, down and up
// again. Nothing fails, nothing is lost, and the old tasks are what they were.
func TestMigrateUnderLoad(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		url := open(t)
		driver, err := postgres.Open(ctx, url, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = driver.Close() })
		states, err := migrations.Status(ctx, driver)
		if err != nil {
			t.Fatal(err)
		}
		newest := states[len(states)-1].Version

		// A node does not open an old schema; it does go on when one is put under it.
		goOn := make(chan struct{})
		one, other := migrating(t, url, goOn), migrating(t, url, goOn)
		if err := migrations.DownTo(ctx, driver, newest-1); err != nil {
			t.Fatal(err)
		}
		if err := migrations.Check(ctx, driver); !errors.Is(err, migrations.ErrOldSchema) {
			t.Fatalf("one version down: %v", err)
		}
		old := everyStatus(t, one)

		var made atomic.Int64
		stop := make(chan struct{})
		var load errgroup.Group
		for i := range 4 {
			nodes := [2]*runner.Node{one, other}
			load.Go(func() error { return livesOf(ctx, nodes[i%2], nodes[(i+1)%2], &made, stop) })
		}
		atWork := func() { // until tasks have been made and have ended since
			for before, deadline := made.Load(), time.Now().Add(time.Minute); made.Load() < before+10; <-time.After(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the nodes do not work any more")
				}
			}
		}
		atWork()
		for range 3 {
			if err := migrations.Up(ctx, driver); err != nil {
				t.Fatalf("up: %v", err)
			}
			atWork()
			if err := migrations.DownTo(ctx, driver, newest-1); err != nil {
				t.Fatalf("down: %v", err)
			}
			atWork()
		}
		if err := migrations.Up(ctx, driver); err != nil {
			t.Fatal(err)
		}
		atWork()
		close(stop)
		if err := load.Wait(); err != nil {
			t.Error(err)
		}
		t.Logf("%d tasks meanwhile", made.Load())
		if err := migrations.Check(ctx, driver); err != nil {
			t.Error(err)
		}

		for _, was := range old {
			is, err := other.Get(ctx, "", was.ID)
			if err != nil || !reflect.DeepEqual(is, was) {
				t.Errorf("a task that was %+v\nis %+v %v", was, is, err)
			}
		}
		close(goOn) // the old ones end as new ones do
		for _, was := range old {
			if was.Status == mcptasks.StatusInputRequired {
				if err := other.Answer(ctx, "", was.ID, accepted); err != nil {
					t.Error(err)
				}
			}
			task := end(t, other, was.ID)
			if task == nil || !was.Status.Terminal() && task.Status != mcptasks.StatusCompleted {
				t.Errorf("a task that was %s ended %+v", was.Status, task)
			}
		}
	})
}

var accepted = map[string]json.RawMessage{"sure": json.RawMessage(`{"action":"accept","content":{}}`)}

// migrating returns a node whose tool does as its argument says.
func migrating(t *testing.T, url string, goOn <-chan struct{}) *runner.Node {
	t.Helper()
	type args struct {
		Do string `json:"do"`
	}
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "tool"}, func(ctx context.Context, run *mcptasks.Run, in args) (*mcp.CallToolResult, any, error) {
		_, err := mcptasks.Step(ctx, run, "step", func(context.Context) (int, error) { return 1, nil })
		switch {
		case err != nil:
		case in.Do == "ask":
			_, err = run.Elicit(ctx, "sure", &mcp.ElicitParams{Message: "Sure?", RequestedSchema: map[string]any{"type": "object"}})
		case in.Do == "fail":
			err = &jsonrpc.Error{Code: -32099, Message: "refused"}
		case in.Do == "wait":
			run.Progress(0, 1, "waits")
			select {
			case <-goOn:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return nil, map[string]any{"did": in.Do}, err
	}, nil)
	node, err := runner.Open(t.Context(), url, tools, &runner.Config{MaxWorkers: 20, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}

func do(ctx context.Context, node *runner.Node, what string) (string, error) {
	task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "tool", Arguments: json.RawMessage(`{"do":"` + what + `"}`)})
	if err != nil {
		return "", err
	}
	return task.ID, nil
}

// is waits until the task has the status, and if that is working, its run has begun.
func is(ctx context.Context, node *runner.Node, id string, status mcptasks.Status) (*mcptasks.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var last *mcptasks.Task
	for task, err := range node.Watch(ctx, "", id) {
		if err != nil {
			return nil, err
		}
		if last = task; task.Status == status && (status.Terminal() || status == mcptasks.StatusInputRequired || task.StatusMessage != "") {
			return node.Get(ctx, "", id)
		}
	}
	return nil, errors.New("a task ended " + string(last.Status) + ", not " + string(status))
}

// everyStatus makes tasks of every status and returns them as they are read.
func everyStatus(t *testing.T, node *runner.Node) []*mcptasks.Task {
	t.Helper()
	var tasks []*mcptasks.Task
	for what, status := range map[string]mcptasks.Status{
		"finish": mcptasks.StatusCompleted, "fail": mcptasks.StatusFailed, "ask": mcptasks.StatusInputRequired,
		"wait": mcptasks.StatusWorking, "cancel": mcptasks.StatusCancelled,
	} {
		for range 3 {
			do, err := do(t.Context(), node, map[bool]string{true: "wait", false: what}[what == "cancel"])
			if err == nil && what == "cancel" {
				_, err = node.Cancel(t.Context(), "", do)
			}
			if err != nil {
				t.Fatal(err)
			}
			task, err := is(t.Context(), node, do, status)
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, task)
		}
	}
	return tasks
}

// livesOf leads tasks through every life there is until stop: made on one node, seen,
// answered and cancelled on the other.
func livesOf(ctx context.Context, one, other *runner.Node, made *atomic.Int64, stop <-chan struct{}) error {
	for {
		for what, status := range map[string]mcptasks.Status{
			"finish": mcptasks.StatusCompleted, "fail": mcptasks.StatusFailed, "ask": mcptasks.StatusCompleted, "wait": mcptasks.StatusCancelled,
		} {
			id, err := do(ctx, one, what)
			if err != nil {
				return err
			}
			switch what {
			case "ask":
				if _, err = is(ctx, other, id, mcptasks.StatusInputRequired); err == nil {
					err = other.Answer(ctx, "", id, accepted)
				}
			case "wait":
				_, err = other.Cancel(ctx, "", id)
			}
			if err == nil {
				_, err = is(ctx, other, id, status)
			}
			if err != nil {
				return err
			}
			made.Add(1)
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}
