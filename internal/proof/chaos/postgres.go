//go:build unix

package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/testdb"
)

const databaseName = "chaos"

// cluster is the run's Postgres. The injector and the checker connect to it directly, not
// through the proxies.
type cluster struct {
	*testdb.Cluster
	url    *url.URL
	socket string
}

func startCluster(ctx context.Context) (*cluster, error) {
	local, err := testdb.StartCluster(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{Cluster: local}
	if err := c.prepare(ctx); err != nil {
		local.Stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) prepare(ctx context.Context) (err error) {
	if c.url, err = url.Parse(c.URL); err != nil {
		return err
	}
	c.socket = filepath.Join(c.url.Query().Get("host"), ".s.PGSQL."+c.url.Query().Get("port"))
	if err := c.exec(ctx, "CREATE DATABASE "+databaseName); err != nil {
		return err
	}
	c.url.Path = "/" + databaseName
	return migrate(ctx, c.url.String())
}

// through returns the database's URL through a proxy.
func (c *cluster) through(p *proxy, node string) string {
	u := url.URL{
		Scheme: "postgres", User: c.url.User, Host: p.addr(), Path: c.url.Path,
		RawQuery: url.Values{"sslmode": {"disable"}, "application_name": {node}, "pool_max_conns": {"12"}, "connect_timeout": {"5"}}.Encode(),
	}
	return u.String()
}

func (c *cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, c.url.String())
}

func (c *cluster) exec(ctx context.Context, sql string, args ...any) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, args...)
	return err
}

// terminate ends all connections of the node.
func (c *cluster) terminate(ctx context.Context, node string) error {
	return c.exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", node)
}

// waiting is a task that has not ended.
type waiting struct {
	ID, Owner, Tool, Status string
	UpdatedAt               time.Time
}

// live returns the tasks that have not ended.
func (c *cluster) live(ctx context.Context) ([]waiting, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT id, owner, tool, status, updated_at FROM mcptasks.mcp_task WHERE finished_at IS NULL ORDER BY created_at`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[waiting])
}

var intoSchema = strings.NewReplacer("mcp_", "mcptasks.mcp_", "river_", "mcptasks.river_")

// tables reads what the checker looks at.
func (c *cluster) tables(ctx context.Context) (history.Tables, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return history.Tables{}, err
	}
	defer func() { _ = conn.Close(ctx) }()
	const micros = "(extract(epoch FROM at) * 1000000)::bigint"
	return readTables(micros, func(query string, dest []any, each func()) error {
		rows, err := conn.Query(ctx, intoSchema.Replace(query))
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, dest, func() error { each(); return nil })
		return err
	})
}
