package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/migrations"
)

// What is asked again and again must not cost more the more tasks have ended: SQLite
// passes a partial index over at one word's difference, and guesses without
// statistics.
func TestIndexes(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		driver, err := Open(t.Context(), filepath.Join(t.TempDir(), "tasks.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := driver.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err := migrations.Up(t.Context(), driver); err != nil {
			t.Fatal(err)
		}
		const live, running = "mcp_task_live (status=?", "river_job_prioritized_fetching_index (state=?"
		for name, want := range map[string]struct {
			query string
			steps []string
		}{
			"key":        {keyedSQL, []string{"mcp_task_idempotency"}},
			"free key":   {freeKeySQL, []string{"mcp_task_idempotency"}},
			"counts":     {countsSQL, []string{live, live + " AND queue=?"}},
			"page":       {listOwnedSQL, []string{"mcp_task_owner (owner=? AND id>? AND id<?"}},
			"all pages":  {listAllSQL, []string{"PRIMARY KEY (id>? AND id<?"}},
			"overdue":    {overdueSQL, []string{"mcp_task_deadline"}},
			"unanswered": {unansweredSQL, []string{"mcp_task_input_open", "t USING PRIMARY KEY"}},
			"broken":     {brokenSQL, []string{live, "j USING INTEGER PRIMARY KEY"}},
			"expired":    {deleteExpiredSQL, []string{"mcp_task_expires"}},
			"prune":      {pruneSQL, []string{running}},
			"orphans":    {orphansSQL, []string{running, "sqlite_autoindex_mcp_node_1 (id=?"}},
			"leftovers":  {leftoversSQL, []string{running, "sqlite_autoindex_mcp_node_1 (id=?"}},
			"running on": {runningOnSQL, []string{running}},
			"nodes":      {nodesSQL, []string{running}},
			"live":       {liveSQL, []string{live}},
			"waiting":    {waitingSQL, []string{running, "t USING PRIMARY KEY (id=?"}},
			"taskless":   {tasklessSQL, []string{running, "t USING PRIMARY KEY (id=?"}},
		} {
			var plan []string
			err := each(t.Context(), driver.reader, "EXPLAIN QUERY PLAN "+want.query, make([]any, 9), func(row scanner) error {
				var (
					id, parent, unused int
					step               string
				)
				err := row.Scan(&id, &parent, &unused, &step)
				plan = append(plan, step)
				return err
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, step := range want.steps {
				if !strings.Contains(strings.Join(plan, "\n"), step) {
					t.Errorf("%s: the plan is %q, want %q in it", name, plan, step)
				}
			}
		}
	})
}
