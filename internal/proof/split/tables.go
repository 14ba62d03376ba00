//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/examples/split/tools"
)

// task is a row of the table of tasks.
type task struct {
	status     string
	order      int64
	receipt    tools.Receipt
	finishedBy string // the process of its last run
}

// halfDone returns the working tasks of which the process has recorded one step.
func halfDone(ctx context.Context, conn *pgx.Conn, process string) ([]string, error) {
	rows, err := conn.Query(ctx, `
SELECT s.task_id FROM mcptasks.mcp_task_step s JOIN mcptasks.mcp_task t ON t.id = s.task_id AND t.status = 'working'
GROUP BY s.task_id HAVING count(*) = 1 AND min(s.result) = to_json($1::text)::text`, process)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// working returns how many of the tasks have not ended. Without ids it counts all.
func working(ctx context.Context, conn *pgx.Conn, ids []string) (n int, err error) {
	err = conn.QueryRow(ctx, `SELECT count(*) FROM mcptasks.mcp_task WHERE finished_at IS NULL AND ($1::text[] IS NULL OR id = ANY($1))`, ids).Scan(&n)
	return n, err
}

// readOrders returns the tasks of the producer's orders, by number.
func readOrders(ctx context.Context, conn *pgx.Conn) (map[int64]string, error) {
	orders := make(map[int64]string)
	rows, err := conn.Query(ctx, `SELECT number, task_id FROM orders`)
	if err != nil {
		return nil, err
	}
	var number int64
	var id string
	_, err = pgx.ForEachRow(rows, []any{&number, &id}, func() error {
		orders[number] = id
		return nil
	})
	return orders, err
}

// readTasks returns all tasks by id. The process of a node is known from the steps that
// the node recorded.
func readTasks(ctx context.Context, conn *pgx.Conn) (map[string]task, error) {
	tasks := make(map[string]task)
	rows, err := conn.Query(ctx, `
SELECT id, status, args, coalesce(outcome, '{}'),
       coalesce((SELECT min(s.result) FROM mcptasks.mcp_task_step s WHERE s.node = t.run_node), '""')
FROM mcptasks.mcp_task t`)
	if err != nil {
		return nil, err
	}
	var id, status, args, outcome, process string
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &args, &outcome, &process}, func() error {
		t, err := newTask(status, args, outcome, process)
		if err != nil {
			return fmt.Errorf("task %s: %w", id, err)
		}
		tasks[id] = t
		return nil
	})
	return tasks, err
}

func newTask(status, args, outcome, process string) (task, error) {
	t := task{status: status}
	var order tools.Order
	if err := json.Unmarshal([]byte(args), &order); err != nil {
		return t, err
	}
	t.order = order.Number
	if err := json.Unmarshal([]byte(process), &t.finishedBy); err != nil {
		return t, err
	}
	result := new(mcp.CallToolResult)
	err := json.Unmarshal([]byte(outcome), result)
	if err == nil {
		t.receipt, err = receiptOf(result)
	}
	return t, err
}
