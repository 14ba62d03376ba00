package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/mcptasks/mcptasks"
)

// The lock is a file beside the database, never the database file itself: closing any
// descriptor of that drops SQLite's own locks. The lock file stays when the lock is
// released, because another process may be about to take it. Its content is only for the
// error of a process that finds it locked. A database in memory has locks in its process.

const (
	lockWait  = 10 * time.Second       // how long to wait for a migration
	lockRetry = 100 * time.Millisecond // between two tries

	working   = "working"
	migrating = "migrating"
)

// LockWorker implements driver.Exclusive. The lock is the operating system's and is
// gone with the process; two nodes of one process exclude each other as well.
func (d *Driver) LockWorker() (func() error, error) {
	if d.lockPath == "" {
		if !d.memory.worker.TryLock() {
			return nil, d.taken("start")
		}
		unlock := sync.OnceFunc(d.memory.worker.Unlock)
		return func() error { unlock(); return nil }, nil
	}
	lock := flock.New(d.lockPath, lockMode)
	locked, err := lock.TryLock()
	if err != nil {
		return nil, d.unlockable("start", err)
	}
	if !locked {
		return nil, d.taken("start")
	}
	d.sign(working)
	return lock.Unlock, nil
}

// LockMigrations implements migrations.DB with the same lock: nobody migrates under
// a worker. It waits for another migration to end, 10 seconds at most.
func (d *Driver) LockMigrations(ctx context.Context) (func(), error) {
	if d.lockPath == "" {
		d.memory.migration.Lock()
		return d.memory.migration.Unlock, nil
	}
	lock := flock.New(d.lockPath, lockMode)
	waiting, stop := context.WithTimeout(ctx, lockWait)
	defer stop()
	locked, err := lock.TryLockContext(waiting, lockRetry)
	switch {
	case ctx.Err() != nil && !locked:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, d.taken("migrate")
	case err != nil:
		return nil, d.unlockable("migrate", err)
	}
	d.sign(migrating)
	return func() { _ = lock.Unlock() }, nil
}

// lockMode lets every user who may write the database take the lock.
var lockMode = flock.SetPermissions(0o644)

// sign writes into the lock file what its holder does. If that fails, another process's
// error is less precise.
func (d *Driver) sign(doing string) {
	_ = os.WriteFile(d.lockPath, []byte(doing+"\n"), 0o644)
}

// taken returns the error for a process that finds the lock taken.
func (d *Driver) taken(op string) error {
	held, _ := os.ReadFile(d.lockPath) // it may be missing, and on Windows not readable
	if strings.TrimSpace(string(held)) == migrating {
		return &mcptasks.Error{
			Op:   op,
			Err:  errors.New("the SQLite file is being migrated by another process"),
			Hint: "try again when it has ended",
		}
	}
	return &mcptasks.Error{
		Op:   op,
		Err:  errors.New("the SQLite file is already being worked by another process"),
		Hint: "one process works a SQLite file: stop it, or use Postgres",
	}
}

func (d *Driver) unlockable(op string, err error) error {
	return &mcptasks.Error{
		Op:   op,
		Err:  fmt.Errorf("the lock of the SQLite file cannot be taken: %w", err),
		Hint: "this process must be allowed to write " + d.lockPath,
	}
}
