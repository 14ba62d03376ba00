package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/migrations"
)

func TestMemory(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Run("one connection for all", testOneConnection)
		t.Run("outlives a cancelled query", testOutlivesCancelledQuery)
	})
}

// testOneConnection calls everything: what would wait for a second connection
// would wait for ever.
func testOneConnection(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.MaxLiveTasks, cfg.HeartbeatInterval = 100, time.Nanosecond
	backend, err := taskstore.Open(ctx, "sqlite::memory:", cfg, notify.New(cfg.Logger))
	must(err)
	must(migrations.Up(ctx, backend.Migrations()))
	defer func() { must(backend.Close()) }()
	end, err := backend.BeginWork(ctx)
	must(err)
	defer func() { must(end()) }()

	tools := mcptasks.NewTools()
	mcptasks.AddTool[map[string]any, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
	tool, _ := tools.Get("report")
	tasks, err := backend.Create(ctx, []taskstore.NewTask{{Tool: tool}, {Tool: tool}})
	must(err)
	_, err = backend.Cancel(ctx, "", tasks[1].ID)
	must(err)

	// The first jobs of a database are numbered from 1.
	run, err := backend.Claim(ctx, tasks[0].ID, 1, []string{"report"}, "node")
	must(err)
	_, err = backend.Report(ctx, run.Fence, driver.Progress{Done: 1})
	must(err)
	_, _, err = backend.SaveStep(ctx, driver.Step{Fence: run.Fence, Key: "a", Result: json.RawMessage(`1`)})
	must(err)
	_, err = backend.FailAttempt(ctx, driver.FailedAttempt{Fence: run.Fence, Event: driver.Event{Kind: driver.EventError}})
	must(err)
	if _, err = backend.Claim(ctx, tasks[0].ID, 1, nil, "node"); !errors.Is(err, mcptasks.ErrUnknownTool) {
		t.Errorf("the error is %v, want %v", err, mcptasks.ErrUnknownTool)
	}
	run, err = backend.Claim(ctx, tasks[0].ID, 1, []string{"report"}, "node")
	must(err)
	ask := map[string]mcptasks.Question{"q": {Method: mcptasks.MethodElicit, Params: json.RawMessage(`{"message":"?"}`)}}
	_, _, err = backend.Park(ctx, run.Fence, ask, time.Hour)
	must(err)
	must(backend.Answer(ctx, "", tasks[0].ID, map[string]json.RawMessage{"q": json.RawMessage(`{"action":"cancel"}`)}))
	run, err = backend.Claim(ctx, tasks[0].ID, 3, []string{"report"}, "node")
	must(err)
	_, err = backend.Held(ctx, []driver.Fence{run.Fence})
	must(err)
	_, err = backend.Finish(ctx, run.Fence, run.Tool, failure.Outcome("no"), driver.Event{})
	must(err)
	task, err := backend.Get(ctx, "", tasks[0].ID)
	must(err)
	if task.Status != mcptasks.StatusFailed || string(run.Steps["a"]) != `1` || run.Questions["q"].Response == nil {
		t.Errorf("the task is %+v, its last run %+v", task, run)
	}

	tasks, err = backend.Create(ctx, []taskstore.NewTask{{Tool: tool, Params: mcptasks.CreateParams{IdempotencyKey: "key"}}})
	must(err)
	_, err = backend.Get(ctx, "", tasks[0].ID)
	must(err)
	_, err = backend.List(ctx, "", "", 0)
	must(err)
	_, err = backend.Heartbeat(ctx, driver.Node{ID: "node"})
	must(err)
	_, err = backend.RunningOn(ctx, "node")
	must(err)
	_, err = backend.RecoverLost(ctx, driver.Job{ID: 4, TaskID: tasks[0].ID}, "node")
	must(err)
	must(backend.Sweep(ctx, 0))
	must(backend.Prune(ctx, 0))
	must(backend.Forget(ctx, "node"))
	_, err = backend.Reap(ctx, "node", time.Hour, func() bool { return true })
	must(err)
	operator := backend.Operator()
	_, err = operator.Show(ctx, tasks[0].ID)
	must(err)
	_, err = operator.Get(ctx, tasks[0].ID)
	must(err)
	_, err = operator.Survey(ctx)
	must(err)
	must(operator.Answer(ctx, tasks[0].ID, nil))
	must(operator.Cancel(ctx, tasks[0].ID))
	_, err = operator.Retry(ctx, tasks[0].ID)
	must(err)
	must(operator.Delete(ctx, tasks[0].ID))
	_, err = operator.List(ctx, taskstore.Query{}, "", 0)
	must(err)
}

func testOutlivesCancelledQuery(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:")
	if err := migrations.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(tx *sql.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rows, err := tx.QueryContext(ctx, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
		if err != nil {
			return err
		}
		cancel()
		for rows.Next() { // for ever, were it not cancelled
		}
		return rows.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}
	if err := migrations.Check(t.Context(), db); err != nil {
		t.Error(err)
	}
}
