package postgres

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
)

// TestPlans has the planner make the plans that sessions keep while the table is empty,
// and while thousands of tasks have come of which it has not heard: a run's statements
// and polls find their tasks by id all the same, and an owner's list is a range.
func TestPlans(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		d := openEmpty(t)
		d.checkPlans(t, "an empty table")
		d.insertMany(t, 3000)
		d.checkPlans(t, "a burst")
	})
}

// openEmpty returns a driver on a database that knows its tables to be empty, and learns
// nothing more of them by itself.
func openEmpty(t *testing.T) *Driver {
	t.Helper()
	d, err := Open(t.Context(), testdb.Postgres(t, func(ctx context.Context, url string) error {
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
	for _, table := range []string{"{s}.mcp_task", "{s}.river_job"} {
		for _, sql := range []string{"ALTER TABLE " + table + " SET (autovacuum_enabled = off)", "VACUUM (ANALYZE) " + table} {
			if _, err := d.pool.Exec(t.Context(), d.sql(sql)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

// insertMany inserts n tasks that wait.
func (d *Driver) insertMany(t *testing.T, n int) {
	t.Helper()
	now := time.Now()
	tasks := make([]*driver.Row, n)
	for i := range tasks {
		tasks[i] = &driver.Row{
			Task:  mcptasks.Task{ID: taskstore.NewID(now), Tool: "tool", Status: mcptasks.StatusWorking, CreatedAt: now, UpdatedAt: now},
			Queue: "default", Priority: 1, MaxAttempts: 1,
		}
	}
	if err := d.Insert(t.Context(), tasks); err != nil {
		t.Fatal(err)
	}
}

var (
	taskScan = regexp.MustCompile(`(?:Seq Scan on mcp_task\b|using (\w+) on mcp_task\b|Bitmap Index Scan on (mcp_task_(?:owner|live|pkey)\b)).*(?:\n +(Index Cond: .*))?`)
	jobScan  = regexp.MustCompile(`(?:Seq Scan on river_job\b|using (\w+) on river_job\b|Bitmap Index Scan on (river_job_\w+)).*(?:\n +(Index Cond: .*))?`)
)

// checkPlans fails the test unless each statement that takes tasks by their ids finds
// each by its id, and a finish each job by its.
func (d *Driver) checkPlans(t *testing.T, when string) {
	t.Helper()
	for name, sql := range map[string]string{
		"get": getSQL, "get many": getManySQL, "claim": claimSQL, "held": heldSQL, "report": reportSQL, "retry": failAttemptSQL,
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
	plan := d.keptPlan(t, finishSQL)
	jobs := jobScan.FindAllStringSubmatch(plan, -1)
	if len(jobs) != 1 || jobs[0][1] != "river_job_pkey" || !strings.HasPrefix(jobs[0][3], "Index Cond: (id = ") {
		t.Errorf("finish, planned for %s, does not find jobs by their ids:\n%s", when, plan)
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
