package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store/sqlite"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

const envLock = "MCPTASKS_TEST_LOCK" // the database whose lock this process is to hold

func TestMain(m *testing.M) {
	if path := os.Getenv(envLock); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

// hold takes the worker's lock, says so, and keeps it until the process is killed.
func hold(path string) {
	driver, err := sqlite.Open(context.Background(), path)
	if err == nil {
		_, err = driver.LockWorker()
	}
	fmt.Println(err)
	select {}
}

func TestLock(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Run("one worker", testOneWorker)
		t.Run("another process", testAnotherProcess)
		t.Run("through a link", testLink)
		t.Run("migrations", testMigrations)
		t.Run("migration under a worker", testMigrationUnderWorker)
		t.Run("memory", testMemory)
	})
}

func testOneWorker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tasks.db")
	one, two := open(t, path), open(t, path)
	unlock, err := one.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	for _, driver := range []*sqlite.Driver{one, two} {
		_, err = driver.LockWorker()
		wantTaken(t, err, "already being worked")
	}
	for range 2 { // the second does nothing
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err = two.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

func testAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tasks.db")
	driver := open(t, path)
	holder := exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), envLock+"="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	_, err = driver.LockWorker()
	wantTaken(t, err, "already being worked")

	// However it ends, its lock ends with it.
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	unlock, err := driver.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func testLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "tasks.db"), filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	two, one := open(t, link), open(t, path)
	unlock, err := one.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unlock() }()
	_, err = two.LockWorker()
	wantTaken(t, err, "already being worked")
}

func testMigrations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tasks.db")
	one, two := open(t, path), open(t, path)
	unlock, err := one.LockMigrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = two.LockWorker()
	wantTaken(t, err, "being migrated")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := two.LockMigrations(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}

	// The other waits for the first to end.
	waited := make(chan error, 1)
	go func() {
		unlock, err := two.LockMigrations(t.Context())
		if err == nil {
			unlock()
		}
		waited <- err
	}()
	select {
	case err := <-waited:
		t.Errorf("did not wait: %v", err)
	default:
	}
	unlock()
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func testMigrationUnderWorker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tasks.db")
	driver := open(t, path)
	unlock, err := driver.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unlock() }()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := driver.LockMigrations(t.Context())
		wantTaken(t, err, "already being worked")
		if waited := time.Since(began); waited > 15*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}

func testMemory(t *testing.T) {
	t.Parallel()
	one, two := open(t, ":memory:"), open(t, ":memory:")
	unlock, err := one.LockWorker()
	if err != nil {
		t.Fatal(err)
	}
	_, err = one.LockWorker()
	wantTaken(t, err, "already being worked")
	if _, err := two.LockWorker(); err != nil {
		t.Errorf("two databases have one lock: %v", err)
	}
	for range 2 {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}

func wantTaken(t *testing.T, err error, want string) {
	t.Helper()
	var ours *mcptasks.Error
	if !errors.As(err, &ours) || ours.Hint == "" || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that says %q and what to do", err, want)
	}
}
