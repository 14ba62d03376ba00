package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// heartbeatConn is the connection of heartbeats. It is not the pool's: a node must not look
// dead because all connections of its pool are busy.
type heartbeatConn struct {
	mu   sync.Mutex
	conn *pgx.Conn
}

const beatSQL = `
INSERT INTO {s}.mcp_node (id, host, tools, queues, beat_at) VALUES ($1, $2, coalesce($3::text[], '{}'), coalesce($4::text[], '{}'), now())
ON CONFLICT (id) DO UPDATE SET host = excluded.host, tools = excluded.tools, queues = excluded.queues, beat_at = now()
RETURNING beat_at`

// Heartbeat implements driver.NodeDriver. If the connection turns out to be lost, it sends the
// heartbeat on a fresh one, so that the node does not miss one.
func (d *Driver) Heartbeat(ctx context.Context, node driver.Node) (time.Time, error) {
	d.heartbeat.mu.Lock()
	defer d.heartbeat.mu.Unlock()
	at, err := d.beat(ctx, node)
	if err != nil && ctx.Err() == nil {
		at, err = d.beat(ctx, node)
	}
	return at, interpretError(err)
}

func (d *Driver) beat(ctx context.Context, node driver.Node) (at time.Time, err error) {
	if d.heartbeat.conn == nil {
		if d.heartbeat.conn, err = d.connect(ctx); err != nil {
			return at, err
		}
	}
	err = d.heartbeat.conn.QueryRow(ctx, d.sql(beatSQL), node.ID, node.Host, node.Tools, node.Queues).Scan(&at)
	if err != nil {
		_ = d.heartbeat.conn.Close(ctx)
		d.heartbeat.conn = nil
	}
	return at.UTC(), err
}

func (d *Driver) closeHeartbeat() {
	d.heartbeat.mu.Lock()
	defer d.heartbeat.mu.Unlock()
	if d.heartbeat.conn != nil {
		_ = d.heartbeat.conn.Close(context.Background())
		d.heartbeat.conn = nil
	}
}

const forgetSQL = `DELETE FROM {s}.mcp_node WHERE $1 = '' OR id = $1`

// Forget implements driver.NodeDriver.
func (d *Driver) Forget(ctx context.Context, nodeID string) error {
	d.closeHeartbeat()
	_, err := d.pool.Exec(ctx, d.sql(forgetSQL), nodeID)
	return interpretError(err)
}

// aliveSQL is true if the node n has sent a heartbeat within $1 milliseconds. A heartbeat
// from before the clock was put back does not count: a living node has sent one since.
const aliveSQL = `(n.beat_at > now() - $1 * interval '1 millisecond' AND n.beat_at <= now() + $1 * interval '1 millisecond')`

const pruneSQL = `
DELETE FROM {s}.mcp_node n
WHERE NOT ` + aliveSQL + ` AND NOT EXISTS (
    SELECT FROM {s}.river_job j
    WHERE j.state = 'running' AND j.kind = 'mcptask' AND j.attempted_by[array_upper(j.attempted_by, 1)] = n.id)`

// Prune implements driver.NodeDriver.
func (d *Driver) Prune(ctx context.Context, age time.Duration) error {
	_, err := d.pool.Exec(ctx, d.sql(pruneSQL), age.Milliseconds())
	return interpretError(err)
}

const deadSQL = `
SELECT j.id, coalesce(j.args ->> 'task_id', ''), coalesce(j.attempted_by[array_upper(j.attempted_by, 1)], '') FROM {s}.river_job j
WHERE j.state = 'running' AND j.kind = 'mcptask' AND NOT EXISTS (
    SELECT FROM {s}.mcp_node n
    WHERE n.id = j.attempted_by[array_upper(j.attempted_by, 1)] AND ` + aliveSQL + `)`

const isTasksSQL = `EXISTS (
    SELECT FROM {s}.mcp_task t WHERE t.id = j.args ->> 'task_id' AND t.job_id = j.id AND t.status = 'working')`

const orphansSQL = deadSQL + ` AND ` + isTasksSQL + ` LIMIT $2`

// Orphans implements driver.NodeDriver.
func (d *Driver) Orphans(ctx context.Context, lease time.Duration, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, orphansSQL, lease.Milliseconds(), limit)
}

const leftoversSQL = deadSQL + ` AND NOT ` + isTasksSQL + ` LIMIT $2`

// Leftovers implements driver.NodeDriver.
func (d *Driver) Leftovers(ctx context.Context, age time.Duration, limit int) ([]driver.Job, error) {
	return d.jobs(ctx, leftoversSQL, age.Milliseconds(), limit)
}

const runningOnSQL = `
SELECT id, coalesce(args ->> 'task_id', ''), $1 FROM {s}.river_job
WHERE state = 'running' AND kind = 'mcptask' AND attempted_by[array_upper(attempted_by, 1)] = $1`

// RunningOn implements driver.NodeDriver.
func (d *Driver) RunningOn(ctx context.Context, nodeID string) ([]driver.Job, error) {
	return d.jobs(ctx, runningOnSQL, nodeID)
}

func (d *Driver) jobs(ctx context.Context, query string, args ...any) ([]driver.Job, error) {
	rows, err := d.pool.Query(ctx, d.sql(query), args...)
	if err != nil {
		return nil, interpretError(err)
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[driver.Job])
	return jobs, interpretError(err)
}
