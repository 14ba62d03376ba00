package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

// The plan of an empty file is what Up then runs, and the status says when.
func TestPlanAndStatus(t *testing.T) {
	ctx := t.Context()
	driver, err := sqlite.Open(ctx, t.TempDir()+"/tasks.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	plan, err := migrations.Plan(ctx, driver)
	if err != nil || !strings.Contains(plan[0].Name, "river") || !strings.Contains(plan[len(plan)-1].Name, "mcptasks") {
		t.Fatalf("the plan of an empty file: %+v %v", plan, err)
	}
	began := time.Now().UTC().Truncate(time.Second) // SQLite notes seconds
	if err := migrations.Up(ctx, driver); err != nil {
		t.Fatal(err)
	}
	states, err := migrations.Status(ctx, driver)
	if err != nil || len(states) != len(plan) {
		t.Fatalf("%d migrations of %d planned: %v", len(states), len(plan), err)
	}
	for i, state := range states {
		if state.Name != plan[i].Name || state.AppliedAt.Before(began) || state.AppliedAt.After(time.Now()) {
			t.Errorf("%+v, planned as %s, was not applied since %s", state, plan[i].Name, began)
		}
	}
	if plan, err := migrations.Plan(ctx, driver); err != nil || len(plan) != 0 {
		t.Errorf("after Up there is still a plan: %+v %v", plan, err)
	}
}
