//go:build unix

package main

import (
	"context"
	"crypto/md5" //nolint:gosec // names of rows, which SQL computes as well
	"errors"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks/runner"
)

const (
	listPage  = 100 // tasks, the default
	listPages = 10  // the newest, since clients read those
)

// grown is a database with many finished tasks, its past. They are spread over the last
// twenty hours and have one owner, as on a server without authentication. The newest
// still have their jobs, which River keeps for an hour. A round's own tasks are deleted.
type grown struct {
	db    *database
	node  *runner.Node
	past  int
	until time.Time // no task of the past is newer
	job   int64     // the last job of the past
	pages []string  // cursors of the newest pages of the list
	ran   *countdown
}

// pastID returns the id of the nth task of the past. Like real ids, they are in the order
// of time and otherwise random. They sort before the ids of new tasks.
func pastID(n int) string {
	random := md5.Sum(fmt.Appendf(nil, "past %d", n)) //nolint:gosec // not a secret
	return fmt.Sprintf("0%010d%.25x", n, random)[:36]
}

const (
	insertPastTasks = `
INSERT INTO ` + tasksTable + ` (id, owner, tool, queue, priority, args, status, outcome, ttl, poll_interval, run_seq, max_attempts, run_timeout,
                                created_at, updated_at, finished_at, expires_at)
SELECT '0' || lpad(i::text, 10, '0') || left(md5('past ' || i), 25), '', 'noop', 'default', 1, $2, 'completed', $3, 86400000, 1000, 1, 1, 3600000,
       at, at + interval '5 ms', at + interval '5 ms', at + interval '1 day'
FROM (SELECT i, $4::timestamptz - interval '20 hours' * ($1::integer - i) / $1 AS at FROM generate_series(1, $1) AS i) AS past`

	insertPastJobs = `
INSERT INTO ` + jobsTable + ` (state, attempt, max_attempts, attempted_at, created_at, finalized_at, scheduled_at, args, attempted_by, kind, tags)
SELECT 'completed', 1, 32767, created_at, created_at, finished_at, created_at, jsonb_build_object('task_id', id), '{past}', 'mcptask', '{}'
FROM ` + tasksTable + ` WHERE finished_at > $1::timestamptz - interval '40 minutes' ORDER BY created_at`
)

func (h *harness) grow(ctx context.Context, past int) (_ *grown, err error) {
	g := &grown{past: past, until: time.Now().Truncate(time.Microsecond)}
	if g.db, err = h.database(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	tools := noop(func() { g.ran.one() })
	if g.node, err = h.open(ctx, g.db.wide, tools, working(runner.Config{})); err != nil {
		return nil, err
	}
	outcome := `{"content":[{"type":"text","text":"` + answer + `"}]}`
	if _, err := g.db.pool.Exec(ctx, insertPastTasks, past, arguments, outcome, g.until); err != nil {
		return nil, err
	}
	if _, err := g.db.pool.Exec(ctx, insertPastJobs, g.until); err != nil {
		return nil, err
	}
	if err := g.db.pool.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM `+jobsTable).Scan(&g.job); err != nil {
		return nil, err
	}
	if err := g.restore(ctx); err != nil {
		return nil, err
	}
	h.logf("filled with %d finished tasks", past)
	return g, g.findPages(ctx)
}

func (g *grown) close() error {
	var err error
	if g.node != nil {
		err = g.node.Close()
	}
	return errors.Join(err, g.db.drop())
}

// findPages finds the cursors of the newest pages, the same number in any past.
func (g *grown) findPages(ctx context.Context) error {
	g.pages = []string{""}
	for len(g.pages) < listPages {
		page, err := g.node.List(ctx, "", g.pages[len(g.pages)-1], 0)
		if err != nil {
			return err
		}
		if page.Next == "" {
			return errors.New("the past is shorter than the list that is read")
		}
		g.pages = append(g.pages, page.Next)
	}
	return nil
}

// begin returns a countdown of the runs of the next drain.
func (g *grown) begin(n int) *countdown {
	g.ran = newCountdown(n)
	return g.ran
}

// restore deletes what a round has added.
func (g *grown) restore(ctx context.Context) error {
	_, err := g.db.pool.Exec(ctx, `DELETE FROM `+tasksTable+` WHERE owner = '' AND created_at > $1`, g.until)
	if err == nil {
		_, err = g.db.pool.Exec(ctx, `DELETE FROM `+jobsTable+` WHERE id > $1`, g.job)
	}
	for _, table := range []string{tasksTable, jobsTable} {
		if err == nil {
			_, err = g.db.pool.Exec(ctx, `VACUUM ANALYZE `+table)
		}
	}
	if err == nil {
		err = g.db.expect(ctx, g.past, `SELECT count(*) FROM `+tasksTable)
	}
	g.db.checkpoint(ctx)
	return err
}
