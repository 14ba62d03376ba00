package postgres

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
)

// TestPlans has the planner make the plans that sessions keep while the table is empty,
// and while thousands of tasks have come of which it has not heard: a run's statements
// and polls find their tasks by id all the same, and an owner's list is a range.
func TestPlans(t *testing.T) {
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

		if _, err := d.pool.Exec(ctx, d.sql("VACUUM (ANALYZE) {s}.mcp_task")); err != nil {
			t.Fatal(err)
		}
		d.checkPlans(t, "an empty table")

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
		d.checkPlans(t, "a burst")
	})
}

var taskScan = regexp.MustCompile(`(?:Seq Scan on mcp_task\b|using (\w+) on mcp_task\b|Bitmap Index Scan on (mcp_task_(?:owner|live|pkey)\b)).*(?:\n +(Index Cond: .*))?`)

// checkPlans fails the test unless each statement that takes tasks by their ids finds
// each by its id.
func (d *Driver) checkPlans(t *testing.T, when string) {
	t.Helper()
	for name, sql := range map[string]string{
		"get": getSQL, "get many": getManySQL, "claim": claimSQL, "held": heldSQL, "report": reportSQL, "retry": retrySQL,
		"finish": finishSQL, "tool": toolOfSQL, "park": lockHeldSQL, "step": saveStepSQL, "list": listOwnedSQL,
	} {
		plan := d.keptPlan(t, sql)
		index, by := "mcp_task_pkey", "Index Cond: (id = "
		if name == "list" {
			index, by = "mcp_task_owner", "Index Cond: ((ROW(owner, "
		}
		scans := taskScan.FindAllStringSubmatch(plan, -1)
		for _, scan := range scans {
			if scan[1]+scan[2] != index || !strings.HasPrefix(scan[3], by) {
				t.Errorf("%s, planned for %s, does not go by %s:\n%s", name, when, index, plan)
			}
		}
		if len(scans) == 0 {
			t.Errorf("%s reads no tasks:\n%s", name, plan)
		}
	}
}

// keptPlan is the plan that a session keeps of a statement.
func (d *Driver) keptPlan(t *testing.T, sql string) string {
	t.Helper()
	ctx := t.Context()
	conn, err := d.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	statement, err := conn.Prepare(ctx, "kept", d.sql(sql))
	if err != nil {
		t.Fatal(err)
	}
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(statement.ParamOIDs)), ", ")
	rows, err := conn.Query(ctx, "EXPLAIN EXECUTE kept ("+nulls+")")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
