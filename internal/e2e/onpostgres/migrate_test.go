package onpostgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// The plan is what Up then runs, in its order; it can be run by hand, and it
// changes nothing.
func TestPlanAndStatus(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		url := open(t)
		driver, err := postgres.Open(ctx, url, "planned")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = driver.Close() })

		before, err := migrations.Status(ctx, driver)
		if err != nil || len(before) == 0 {
			t.Fatalf("the status of no schema: %v %v", before, err)
		}
		plan, err := migrations.Plan(ctx, driver)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan) != len(before)+1 || !strings.Contains(plan[0].SQL, `CREATE SCHEMA IF NOT EXISTS "planned"`) {
			t.Fatalf("%d steps are planned for the schema and %d migrations: %+v", len(plan), len(before), plan[0])
		}
		for i, state := range before {
			step := plan[i+1]
			if !state.AppliedAt.IsZero() || state.Name != step.Name || state.Version != step.Version {
				t.Errorf("the status has %+v where the plan has %d %s", state, step.Version, step.Name)
			}
			if strings.Contains(step.SQL, "+goose") || strings.Contains(step.SQL, "DROP TABLE mcp_") || strings.Contains(step.SQL, "TEMPLATE") ||
				strings.Contains(step.SQL, "TABLE") && !strings.Contains(step.SQL, "planned") {
				t.Errorf("the plan of %s is not what runs:\n%s", step.Name, step.SQL)
			}
		}
		if err := migrations.Check(ctx, driver); !errors.Is(err, migrations.ErrOldSchema) {
			t.Errorf("after a plan: %v", err)
		}

		pool := poolOf(t, url)
		began := now(t, pool)
		if err := migrations.Up(ctx, driver); err != nil {
			t.Fatal(err)
		}
		after, err := migrations.Status(ctx, driver)
		if err != nil || len(after) != len(before) {
			t.Fatalf("%d migrations after Up, %d before: %v", len(after), len(before), err)
		}
		for i, state := range after {
			if state.Name != before[i].Name || state.AppliedAt.Before(began) || state.AppliedAt.After(now(t, pool)) {
				t.Errorf("%+v was not applied since %s", state, began)
			}
		}
		if plan, err := migrations.Plan(ctx, driver); err != nil || len(plan) != 0 {
			t.Errorf("after Up there is still a plan: %+v %v", plan, err)
		}

		if _, err := pool.Exec(ctx, `INSERT INTO planned.mcp_migration (version_id, is_applied) VALUES (9999, true)`); err != nil {
			t.Fatal(err)
		}
		if _, err := migrations.Plan(ctx, driver); !errors.Is(err, migrations.ErrNewSchema) {
			t.Errorf("the plan of a newer schema: %v", err)
		}
		newer, err := migrations.Status(ctx, driver)
		if last := newer[len(newer)-1]; err != nil || last.Version != 9999 || !strings.Contains(last.Name, "newer release") {
			t.Errorf("the status of a newer schema ends with %+v %v", last, err)
		}
	})
}

// The SQL of a plan, run by hand, makes the same tables as Up.
func TestPlanRuns(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		pool := poolOf(t, open(t))
		driver, err := postgres.New(pool, "byhand")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := migrations.Plan(ctx, driver)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if _, err := pool.Exec(ctx, step.SQL); err != nil { // several statements are one transaction
				t.Fatalf("%s: %v", step.Name, err)
			}
		}
		const columns = `SELECT count(*) FROM information_schema.columns WHERE table_name <> 'mcp_migration' AND table_schema = `
		if got, want := count(t, pool, columns+`'byhand'`), count(t, pool, columns+`'mcptasks'`); got != want || want == 0 {
			t.Errorf("by hand there are %d columns, by Up %d", got, want)
		}
	})
}
