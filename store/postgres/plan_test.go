package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
)

// TestPlansOfABurst has thousands of tasks come before the planner has heard of any: a
// run's statements find their tasks by id all the same, and do not read all live ones.
func TestPlansOfABurst(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		d, err := Open(ctx, testdb.Postgres(t, func(ctx context.Context, url string) error {
			d, err := Open(ctx, url, "")
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			return migrations.Up(ctx, d)
		}), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		now := time.Now()
		tasks := make([]*store.Row, 3000)
		for i := range tasks {
			tasks[i] = &store.Row{
				Task:  mcptasks.Task{ID: store.NewID(now), Tool: "tool", Status: mcptasks.StatusWorking, CreatedAt: now, UpdatedAt: now},
				Queue: "default", Priority: 1, MaxAttempts: 1,
			}
		}
		if err := d.Insert(ctx, tasks); err != nil {
			t.Fatal(err)
		}

		ids := column(tasks[:20], func(task *store.Row) string { return task.ID })
		jobs, texts, numbers, flags := make([]int64, len(ids)), make([]string, len(ids)), make([]float64, len(ids)), make([]bool, len(ids))
		fence := []any{ids, jobs, texts}
		for name, statement := range map[string]struct {
			sql  string
			args []any
		}{
			"claim":  {claimSQL, append(fence[:3:3], []string{"tool"}, "node", now)},
			"held":   {heldSQL, fence},
			"report": {reportSQL, append(fence[:3:3], numbers, numbers, texts, now)},
			"retry":  {retrySQL, append(fence[:3:3], texts, texts, texts, texts, texts, now)},
			"finish": {finishSQL, append(fence[:3:3], texts, texts, texts, flags, texts, texts, texts, now, 0)},
			"tool":   {toolOfSQL, []any{ids[0], jobs[0]}},
			"park":   {lockHeldSQL, []any{ids[0], jobs[0], ""}},
			"step":   {saveStepSQL, []any{ids[0], jobs[0], "", "", "", now, 0, now, now}},
			"list":   {listOwnedSQL, []any{now, "", "", "w", "", 100, "an owner"}},
		} {
			rows, err := d.pool.Query(ctx, "EXPLAIN "+d.sql(statement.sql), statement.args...)
			if err != nil {
				t.Fatal(name, err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(name, err)
			}
			index := map[bool]string{true: "mcp_task_owner", false: "mcp_task_pkey"}[name == "list"]
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, index) || strings.Contains(plan, "mcp_task_live") {
				t.Errorf("%s: the tasks are not found by %s:\n%s", name, index, plan)
			}
		}
	})
}
