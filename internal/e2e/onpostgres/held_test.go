package onpostgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// TestHeldByATransaction holds more tasks in a program's open transaction than the
// node has connections. They wait for it, and nobody else does: others are made, run
// and finished meanwhile.
func TestHeldByATransaction(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		const held, connections = 30, "8"
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		url := open(t)
		begun, finish := make(chan string, held), make(chan struct{})
		worker := node(t, url+"&pool_max_conns="+connections, func(_ context.Context, run *mcptasks.Run, _ struct{}) (*mcp.CallToolResult, any, error) {
			begun <- run.TaskID()
			<-finish
			run.Progress(1, 2, "about to end")
			return &mcp.CallToolResult{}, nil, nil
		}, nil, runner.Config{})
		var ids []string
		for range held {
			create(t, worker)
			ids = append(ids, <-begun)
		}

		tx := begin(t, url)
		if _, err := tx.Exec(ctx, "SELECT FROM mcptasks.mcp_task WHERE id = ANY ($1) FOR UPDATE", ids); err != nil {
			t.Fatal(err)
		}
		close(finish) // they all report and finish now, or would
		for range 3 * held {
			id := create(t, worker)
			<-begun
			completed(t, worker, id)
		}
		for _, id := range ids {
			if task, err := worker.Get(ctx, "", id); err != nil || task.Status != mcptasks.StatusWorking {
				t.Fatalf("a held task: %+v, %v", task, err)
			}
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			completed(t, worker, id)
		}
	})
}

// TestHeldJob holds a run's job in a program's open transaction, as a cancel through
// River's client does: the task ends all the same, and its job when it is free.
func TestHeldJob(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		url := open(t)
		begun, finish := make(chan struct{}), make(chan struct{})
		worker := node(t, url, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			begun <- struct{}{}
			<-finish
			return &mcp.CallToolResult{}, nil, nil
		}, nil, runner.Config{})
		id := create(t, worker)
		<-begun

		tx := begin(t, url)
		if _, err := tx.Exec(ctx, "SELECT FROM mcptasks.river_job FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		close(finish)
		completed(t, worker, id)
		state := ""
		if err := tx.QueryRow(ctx, "SELECT state FROM mcptasks.river_job").Scan(&state); err != nil || state != "running" {
			t.Errorf("the job that is held is %s, %v", state, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		if err := worker.Close(); err != nil { // River has done with the job by then
			t.Fatal(err)
		}
		if err := tx.Conn().QueryRow(ctx, "SELECT state FROM mcptasks.river_job").Scan(&state); err != nil || state != "completed" {
			t.Errorf("the job is %s, %v", state, err)
		}
	})
}

// begin begins a transaction on a connection of its own.
func begin(t *testing.T, url string) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func completed(t *testing.T, n *runner.Node, id string) {
	t.Helper()
	if task := end(t, n, id); task == nil || task.Status != mcptasks.StatusCompleted {
		t.Fatalf("task %s: %+v", id, task)
	}
}
