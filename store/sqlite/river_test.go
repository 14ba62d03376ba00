package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

func TestRiver(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Run("who holds a job", testHolder)
		t.Run("a discarded job", testDiscarded)
	})
}

const insertJobs = `
INSERT INTO river_job (id, kind, args, state, attempted_by) VALUES
    (1, 'mcptask', jsonb('{"task_id":"a"}'), 'running',   jsonb('["old","new"]')),
    (2, 'mcptask', jsonb('{"task_id":"b"}'), 'running',   jsonb('["new","old"]')),
    (3, 'mcptask', jsonb('{"task_id":"c"}'), 'running',   NULL),
    (4, 'mcptask', jsonb('{"task_id":"d"}'), 'available', jsonb('["old"]')),
    (5, 'other',   jsonb('{"task_id":"e"}'), 'running',   jsonb('["other"]'))`

// testHolder is about River's JSON: of the nodes that began a job the last holds it.
func testHolder(t *testing.T) {
	t.Parallel()
	db := openWithJobs(t)
	for _, id := range []string{"new", "idle", "idle"} {
		if _, err := db.Heartbeat(t.Context(), driver.Node{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, jobs []driver.Job, err error, want string) {
		t.Helper()
		if got := fmt.Sprint(jobs); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", what, got, err, want)
		}
	}
	jobs, err := db.RunningOn(t.Context(), "new")
	want("running on the new node", jobs, err, "[{1 a new}]")
	jobs, err = db.RunningOn(t.Context(), "idle")
	want("running on the idle node", jobs, err, "[]")
	jobs, err = db.Leftovers(t.Context(), time.Hour, 10)
	want("leftovers", jobs, err, "[{2 b old} {3 c }]")
	jobs, err = db.Leftovers(t.Context(), time.Hour, 1)
	want("the first leftover", jobs, err, "[{2 b old}]")
	jobs, err = db.Leftovers(t.Context(), -time.Hour, 10)
	want("leftovers of the future", jobs, err, "[{1 a new} {2 b old} {3 c }]")

	if err := db.Prune(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	err = db.InTx(t.Context(), func(tx *sql.Tx) error {
		rows, err := query(t.Context(), tx, "SELECT id, tools, queues, typeof(beat_at) FROM mcp_node")
		if got := fmt.Sprint(rows); got != "[[new [] [] integer]]" {
			t.Errorf("the nodes are %s, want the one that holds a job", got)
		}
		for id, want := range map[int64]string{1: "running new", 3: "running ", 4: "available old"} {
			state, node, err := db.JobState(t.Context(), tx, id, string(rune('a'+id-1)))
			if got := state + " " + node; err != nil || got != want {
				t.Errorf("job %d is %q, %v, want %q", id, got, err, want)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// testDiscarded is about River's times: it deletes a job whose text is the lesser.
func testDiscarded(t *testing.T) {
	t.Parallel()
	db := openWithJobs(t)
	err := db.InTx(t.Context(), func(tx *sql.Tx) error {
		for _, job := range []driver.Job{{ID: 1, Node: "new"}, {ID: 2, Node: "new"}, {ID: 2, Node: "old"}, {ID: 3}, {ID: 4, Node: "old"}, {ID: 5, Node: "other"}} {
			at := time.Date(2026, 2, 3, 4, 5, 6, 789_600_000, time.FixedZone("", 3600))
			if err := db.DiscardJob(t.Context(), tx, job, at); err != nil {
				return err
			}
		}
		rows, err := query(t.Context(), tx, "SELECT id, state, CAST(finalized_at AS text) FROM river_job ORDER BY id")
		const at = "2026-02-03 03:05:06.790"
		want := "[[1 discarded " + at + "] [2 discarded " + at + "] [3 discarded " + at + "] [4 available <nil>] [5 running <nil>]]"
		if got := fmt.Sprint(rows); got != want {
			t.Errorf("the jobs are\n%s, want\n%s", got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func openWithJobs(t *testing.T) *sqlite.Driver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tasks.db")
	if err := os.WriteFile(path, migratedFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	err := db.InTx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), insertJobs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}
