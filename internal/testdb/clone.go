package testdb

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	patience = 2 * time.Minute // for one thing asked of the server; the first includes Docker's download

	databasePrefix = "mcptasks_test_"
)

// process is what the tests of one process share: a server and a template. Its databases are all named
// mcptasks_test_<run>_…, and its one connection to the server bears mcptasks_test_<run> as its application name, the
// sign for other processes that this run lives.
type process struct {
	sources sources

	mu       sync.Mutex // also makes clones one at a time: CREATE DATABASE wants its template to itself
	started  bool
	missing  error // why there is no server
	broken   error // why the server or the template cannot be used
	server   server
	run      string
	admin    *pgx.Conn
	template string
	clones   int
}

// database is Postgres.
func (p *process) database(tb testing.TB, migrate func(context.Context, string) error) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		p.started = true
		p.start(ctx, migrate)
	}
	switch {
	case p.missing != nil && p.sources.getenv(envPostgres) == "required":
		tb.Fatalf("%v", p.missing)
	case p.missing != nil:
		tb.Skipf("%v", p.missing)
	case p.broken != nil:
		tb.Fatalf("%v", p.broken)
	}
	p.clones++
	name := fmt.Sprintf("%s_%d", p.run, p.clones)
	if err := p.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+p.template); err != nil {
		tb.Fatalf("cloning the template database: %v", err)
	}
	tb.Cleanup(func() { p.drop(tb, name) })
	return p.urlOf(name)
}

// start finds a server and fills the template.
func (p *process) start(ctx context.Context, migrate func(context.Context, string) error) {
	srv, err := p.sources.open(ctx, hasty)
	if err != nil {
		p.missing = err
		return
	}
	p.server = srv
	p.run = databasePrefix + strings.ToLower(rand.Text()[:12])
	if err := p.connect(ctx); err != nil {
		p.broken = fmt.Errorf("connecting to the test server: %w", err)
		return
	}
	if err := p.sweep(ctx); err != nil {
		p.broken = fmt.Errorf("dropping what earlier test runs left: %w", err)
		return
	}
	template := p.run + "_template"
	if err := p.exec(ctx, "CREATE DATABASE "+template); err != nil {
		p.broken = fmt.Errorf("creating the template database: %w", err)
		return
	}
	p.template = template
	if err := migrate(ctx, p.urlOf(template)); err != nil {
		p.broken = fmt.Errorf("migrating the template database: %w", err)
		return
	}
	if err := p.exec(ctx, "ALTER DATABASE "+template+" ALLOW_CONNECTIONS false"); err != nil {
		p.broken = fmt.Errorf("closing the template database: %w", err)
	}
}

func (p *process) connect(ctx context.Context) error {
	if u, err := url.Parse(p.server.url); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return fmt.Errorf("%s must be a postgres:// URL", envURL)
	}
	config, err := pgx.ParseConfig(p.server.url)
	if err != nil {
		return err
	}
	config.RuntimeParams["application_name"] = p.run
	p.admin, err = pgx.ConnectConfig(ctx, config)
	return err
}

// exec runs sql on the maintenance database, over a new connection if a test has restarted the server.
func (p *process) exec(ctx context.Context, sql string) error {
	if p.admin.IsClosed() {
		if err := p.connect(ctx); err != nil {
			return err
		}
	}
	_, err := p.admin.Exec(ctx, sql)
	return err
}

const orphans = `
SELECT datname FROM pg_database
WHERE datname ~ '^mcptasks_test_[a-z0-9]+_'
  AND substring(datname FROM '^mcptasks_test_[a-z0-9]+') NOT IN (SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL)`

// sweep drops the databases of runs that were killed.
func (p *process) sweep(ctx context.Context) error {
	rows, err := p.admin.Query(ctx, orphans)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		// Another user's cannot be dropped, and one in use should not be: leave those.
		_, _ = p.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name)
	}
	return ctx.Err()
}

// drop removes a clone, and whatever is still connected to it. A failure is told, not held against the test: its subject
// may be a server's death.
func (p *process) drop(tb testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		tb.Logf("dropping %s: %v", name, err)
	}
}

// close drops the template and stops the server. Errors are nobody's to handle: the next run sweeps.
func (p *process) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.template != "" {
		_ = p.exec(ctx, "DROP DATABASE IF EXISTS "+p.template+" WITH (FORCE)")
	}
	if p.admin != nil {
		_ = p.admin.Close(ctx)
	}
	if p.server.stop != nil {
		p.server.stop()
	}
}

// urlOf returns the URL of a database on the server, whose own URL connect has checked.
func (p *process) urlOf(database string) string {
	u, _ := url.Parse(p.server.url)
	u.Path = "/" + database
	return u.String()
}
