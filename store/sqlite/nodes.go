package sqlite

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const (
	// dbNow is the database's clock, in the format of beat_at.
	dbNow = `CAST(round(unixepoch('subsec') * 1000) * 1000 AS integer)`

	// alive is true if the node n has sent a heartbeat within ?1 microseconds. A heartbeat
	// from before the clock was put back does not count: a living node has sent one since.
	alive = `(n.beat_at > ` + dbNow + ` - ?1 AND n.beat_at <= ` + dbNow + ` + ?1)`

	// jobNode is the node that runs the job j, or ran it last.
	jobNode = `json_extract(j.attempted_by, '$[#-1]')`
)

const beatSQL = `
INSERT INTO mcp_node (id, host, tools, queues, beat_at) VALUES (?1, ?2, ?3, ?4, ` + dbNow + `)
ON CONFLICT (id) DO UPDATE
SET host = excluded.host, tools = excluded.tools, queues = excluded.queues, beat_at = excluded.beat_at`

// Heartbeat implements driver.NodeDriver. The one connection that writes is a beat's as
// well: it waits its turn.
func (d *Driver) Heartbeat(ctx context.Context, node driver.Node) (time.Time, error) {
	tools, err := array(node.Tools)
	if err != nil {
		return time.Time{}, err
	}
	queues, err := array(node.Queues)
	if err != nil {
		return time.Time{}, err
	}
	_, err = d.write(ctx, beatSQL, node.ID, node.Host, tools, queues)
	return time.Now(), err // the database's clock is this machine's
}

const forgetSQL = `DELETE FROM mcp_node WHERE ?1 = '' OR id = ?1`

// Forget implements driver.NodeDriver.
func (d *Driver) Forget(ctx context.Context, nodeID string) error {
	_, err := d.write(ctx, forgetSQL, nodeID)
	return err
}

const pruneSQL = `
DELETE FROM mcp_node AS n
WHERE NOT ` + alive + ` AND NOT EXISTS (
    SELECT 1 FROM river_job j WHERE j.state = 'running' AND ` + jobNode + ` = n.id)`

// Prune implements driver.NodeDriver.
func (d *Driver) Prune(ctx context.Context, age time.Duration) error {
	_, err := d.write(ctx, pruneSQL, age.Microseconds())
	return err
}

// The + keeps SQLite from using the index of kinds, which has all jobs.
const runningSQL = `
SELECT j.id, coalesce(json_extract(j.args, '$.task_id'), ''), coalesce(` + jobNode + `, '')
FROM river_job j
WHERE j.state = 'running' AND +j.kind = 'mcptask'`

const deadSQL = runningSQL + ` AND NOT EXISTS (
    SELECT 1 FROM mcp_node n WHERE n.id = ` + jobNode + ` AND ` + alive + `)`

const isTasksSQL = `EXISTS (
    SELECT 1 FROM mcp_task t WHERE t.id = json_extract(j.args, '$.task_id') AND t.job_id = j.id AND t.status = 'working')`

const orphansSQL = deadSQL + ` AND ` + isTasksSQL + ` ORDER BY j.id LIMIT ?2`

// Orphans implements driver.NodeDriver.
func (d *Driver) Orphans(ctx context.Context, lease time.Duration, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, orphansSQL, lease.Microseconds(), limit)
}

const leftoversSQL = deadSQL + ` AND NOT ` + isTasksSQL + ` ORDER BY j.id LIMIT ?2`

// Leftovers implements driver.NodeDriver.
func (d *Driver) Leftovers(ctx context.Context, age time.Duration, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, leftoversSQL, age.Microseconds(), limit)
}

const runningOnSQL = runningSQL + ` AND ` + jobNode + ` = ?1 ORDER BY j.id`

// RunningOn implements driver.NodeDriver.
func (d *Driver) RunningOn(ctx context.Context, nodeID string) ([]driver.Job, error) {
	return d.jobs(ctx, runningOnSQL, nodeID)
}

func (d *Driver) jobs(ctx context.Context, query string, args ...any) ([]driver.Job, error) {
	var jobs []driver.Job
	err := each(ctx, d.reader, query, args, func(row scanner) error {
		var job driver.Job
		err := row.Scan(&job.ID, &job.TaskID, &job.Node)
		jobs = append(jobs, job)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jobs, nil
}
