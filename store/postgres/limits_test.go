package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/testdb"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// with returns the URL with more parameters.
func with(t *testing.T, database string, more ...string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	for _, parameter := range more {
		name, value, _ := strings.Cut(parameter, "=")
		query.Set(name, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

func open(t testing.TB, url string, options *postgres.Options) *postgres.Driver {
	t.Helper()
	db, err := postgres.OpenWith(t.Context(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestLimits reads what a session is told: ours, unless the URL says otherwise.
func TestLimits(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		database := testdb.Postgres(t, migrate)
		settings := func(options *postgres.Options, more ...string) (s [6]string) {
			db := open(t, with(t, database, more...), options)
			err := db.InTx(t.Context(), func(tx pgx.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
					current_setting('idle_in_transaction_session_timeout'), current_setting('application_name'),
					current_setting('enable_seqscan'), current_setting('jit')`).Scan(&s[0], &s[1], &s[2], &s[3], &s[4], &s[5])
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for name, test := range map[string]struct{ got, want [6]string }{
			"ours":        {settings(nil), [6]string{"1min", "10s", "1min", "mcptasks", "off", "off"}},
			"the URL's":   {settings(nil, "statement_timeout=5s", "lock_timeout=0", "application_name=mine", "enable_seqscan=on"), [6]string{"5s", "0", "1min", "mine", "on", "off"}},
			"its options": {settings(nil, "options=-c statement_timeout=7s"), [6]string{"7s", "10s", "1min", "mcptasks", "off", "off"}},
			"poll only":   {settings(&postgres.Options{PollOnly: true}), [6]string{"0", "0", "0", "mcptasks", "on", "on"}},
		} {
			if test.got != test.want {
				t.Errorf("%s: %v, want %v", name, test.got, test.want)
			}
		}
	})
}

// Who finds every connection of the pool in use is told so, and how many there are.
func TestExhaustedPool(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		db := open(t, with(t, testdb.Postgres(t, migrate), "pool_max_conns=1"), nil)
		err := db.InTx(t.Context(), func(pgx.Tx) error {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := db.Ping(ctx)
			if late := db.Ping(ctx); strings.Contains(fmt.Sprint(late), "pool") {
				t.Errorf("who is late does not wait, and is told: %v", late)
			}
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "1 of the pool's 1 are in use") {
			t.Errorf("the wait ended with: %v", err)
		}
	})
}

// A wait for a lock ends as the URL says, with an error that says what timed out.
func TestLockTimeout(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		db := open(t, with(t, testdb.Postgres(t, migrate), "lock_timeout=50ms"), nil)
		held := make(chan struct{})
		holder := make(chan error, 1)
		release := make(chan struct{})
		const lock = `LOCK TABLE mcptasks.mcp_task`
		go func() {
			holder <- db.InTx(t.Context(), func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), lock)
				close(held)
				<-release
				return err
			})
		}()
		<-held
		err := db.InTx(t.Context(), func(tx pgx.Tx) error {
			_, err := db.Lock(t.Context(), tx, "nobody's", false)
			return err
		})
		close(release)
		if !errors.Is(err, driver.ErrBusy) || !strings.Contains(fmt.Sprint(err), "lock timeout") {
			t.Errorf("the wait ended with: %v", err)
		}
		if err := <-holder; err != nil {
			t.Error(err)
		}
	})
}

// Migrations wait for one another, and take as long as they must, whatever limits
// the pool's sessions have.
func TestMigrationsAreNotLimited(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		const limit = 50 * time.Millisecond
		db := open(t, with(t, testdb.Postgres(t, migrate), "statement_timeout=50", "lock_timeout=50", "idle_in_transaction_session_timeout=50"),
			&postgres.Options{Schema: "later"})
		unlock, err := db.LockMigrations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		up := make(chan error, 1)
		go func() { up <- migrations.Up(ctx, db) }()
		select {
		case err := <-up:
			t.Fatalf("Up did not wait: %v", err)
		case <-time.After(10 * limit): // no limit ended it
		}
		unlock()
		if err := <-up; err != nil {
			t.Errorf("Up after a long wait: %v", err)
		}

		handle, err := db.Migrating(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = handle.Close() }()
		if _, err := handle.SQL.ExecContext(ctx, `SELECT pg_sleep($1)`, (4 * limit).Seconds()); err != nil {
			t.Errorf("a long statement of a migration: %v", err)
		}
	})
}

// A table that somebody has locked keeps a migration waiting, and the migration
// lets those pass meanwhile who queue behind it.
func TestUpIsPatient(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		database := testdb.Postgres(t, migrate)
		db := open(t, database, nil)
		if err := migrations.DownTo(ctx, db, 1); err != nil {
			t.Fatal(err)
		}
		locked, err := pgx.Connect(ctx, database)
		if err != nil {
			t.Fatal(err)
		}
		defer locked.Close(ctx)
		if _, err := locked.Exec(ctx, `BEGIN; LOCK TABLE mcptasks.mcp_task IN SHARE UPDATE EXCLUSIVE MODE`); err != nil {
			t.Fatal(err)
		}
		up := make(chan error, 1)
		go func() { up <- migrations.Up(ctx, db) }()
		select {
		case err := <-up:
			t.Fatalf("Up did not wait: %v", err)
		case <-time.After(3 * time.Second): // longer than one wait
		}
		if _, err := locked.Exec(ctx, `COMMIT`); err != nil {
			t.Fatal(err)
		}
		if err := <-up; err != nil {
			t.Errorf("Up after somebody else's lock: %v", err)
		}
	})
}

// River rebuilds its indexes while a transaction is open for longer than
// lock_timeout; on the pool itself that would leave half an index behind.
func TestReindexOutlastsLockTimeout(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		database := testdb.Postgres(t, migrate)
		limited := with(t, database, "lock_timeout=50ms")
		old, err := pgx.Connect(ctx, database)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close(ctx)
		if _, err := old.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM mcptasks.river_job`); err != nil {
			t.Fatal(err)
		}
		reindex := func(executor riverdriver.Executor, index string) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return executor.IndexReindex(ctx, &riverdriver.IndexReindexParams{Schema: "mcptasks", Index: index})
		}

		pool, err := pgxpool.New(ctx, limited)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if err := reindex(riverpgxv5.New(pool).GetExecutor(), "river_job_state_and_finalized_at_index"); err == nil || !strings.Contains(err.Error(), "lock timeout") {
			t.Fatalf("the test shows nothing: a pool with a lock_timeout reindexes: %v", err)
		}
		db := open(t, limited, nil)
		done := make(chan error, 1)
		go func() { done <- reindex(db.River().GetExecutor(), "river_job_prioritized_fetching_index") }()
		select {
		case err := <-done:
			t.Fatalf("the reindexing did not wait for the transaction: %v", err)
		case <-time.After(500 * time.Millisecond): // ten times the limit
		}
		if _, err := old.Exec(ctx, `COMMIT`); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("reindexing: %v", err)
		}
	})
}
