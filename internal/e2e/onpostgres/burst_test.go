package onpostgres

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// said is where a log goes that must say something.
type said struct {
	what  []byte
	heard chan struct{}
}

func (s said) Write(line []byte) (int, error) {
	if bytes.Contains(line, s.what) {
		select {
		case s.heard <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// TestBurst has many tasks come after a quiet time, in which the database has found the
// table of jobs empty: it learns of them from the node, not a minute later by itself.
func TestBurst(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		url := open(t)
		pool, err := pgxpool.New(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		for _, sql := range []string{"ALTER TABLE mcptasks.river_job SET (autovacuum_enabled = off)", "VACUUM (ANALYZE) mcptasks.river_job"} {
			if _, err := pool.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		producer := node(t, url, nil, nil, runner.Config{})
		for range 2000 {
			create(t, producer)
		}
		analyzed := said{[]byte("was analyzed"), make(chan struct{}, 1)}
		node(t, url, func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{}, nil, nil
		}, nil, runner.Config{Logger: slog.New(slog.NewTextHandler(analyzed, nil))})
		select {
		case <-analyzed.heard:
		case <-time.After(time.Minute):
			t.Fatal("the table was not analyzed")
		}
		if count(t, pool, "SELECT count(*) FROM pg_class WHERE oid = 'mcptasks.river_job'::regclass AND reltuples = 2000") != 1 {
			t.Error("the database does not know how many jobs there are")
		}
	})
}
