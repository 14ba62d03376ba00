package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/testdb"
)

// A session keeps the plans of what a quiet node asks for again and again, though each
// batch has a single call: to plan a finish takes longer than to do it.
func TestPlansAreKept(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		db := open(t, with(t, testdb.Postgres(t, migrate), "pool_max_conns=1"), nil)
		const planned = 5 // times, before the server thinks of keeping a plan
		for range 2 * planned {
			runOnce(t, db)
		}
		made := plansMade(t, db)
		if len(made) < 7 { // create, get many, claim, held, report, retry, finish
			t.Errorf("statements were not prepared: %v", made)
		}
		for sql, plans := range made {
			if plans > planned {
				t.Errorf("%d plans were made of %s", plans, sql)
			}
		}
	})
}

// runOnce has a task made, read and run to its end, with an attempt that fails.
func runOnce(t *testing.T, db driver.Driver[pgx.Tx]) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	row := &driver.Row{
		Task:  mcptasks.Task{ID: taskstore.NewID(now), Tool: "tool", Status: mcptasks.StatusWorking, CreatedAt: now, UpdatedAt: now},
		Queue: "default", Priority: 1, MaxAttempts: 2,
	}
	if err := db.Insert(ctx, []*driver.Row{row}); err != nil {
		t.Fatal(err)
	}
	if tasks, err := db.GetMany(ctx, []driver.Name{{ID: row.ID}}, now); err != nil || len(tasks) != 1 {
		t.Fatalf("read %d tasks, %v", len(tasks), err)
	}
	fence := driver.Fence{TaskID: row.ID, JobID: jobOf(t, db, row.ID), RunToken: row.ID}
	claim := func() {
		if claimed, err := db.Claim(ctx, []driver.Fence{fence}, []string{"tool"}, "node", now); err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %d tasks, %v", len(claimed), err)
		}
	}
	wrote := func(tasks []string, err error) {
		if err != nil || len(tasks) != 1 {
			t.Fatalf("wrote %d tasks, %v", len(tasks), err)
		}
	}
	claim()
	wrote(db.Held(ctx, []driver.Fence{fence}))
	wrote(db.Report(ctx, []driver.Report{{Fence: fence}}, now))
	wrote(db.FailAttempts(ctx, []driver.FailedAttempt{{Fence: fence}}, now))
	claim()
	ended, _, err := db.Finish(ctx, []driver.Finish{{Fence: fence, Status: mcptasks.StatusCompleted}}, now, time.Hour)
	wrote(ended, err)
}

func jobOf(t *testing.T, db driver.Driver[pgx.Tx], id string) (job int64) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT job_id FROM mcptasks.mcp_task WHERE id = $1`, id).Scan(&job)
	})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// plansMade returns how often the session has planned each statement that it has prepared
// for the arguments it was just given.
func plansMade(t *testing.T, db driver.Driver[pgx.Tx]) map[string]int {
	t.Helper()
	made := make(map[string]int)
	err := db.InTx(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT statement, custom_plans FROM pg_prepared_statements`)
		if err != nil {
			return err
		}
		var sql string
		var plans int
		_, err = pgx.ForEachRow(rows, []any{&sql, &plans}, func() error {
			made[sql] = plans
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}
