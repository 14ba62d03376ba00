//go:build unix

package testdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestServerIsDurableAndGoes(t *testing.T) {
	t.Parallel()
	dsn, stop, err := Server(t.Context())
	if err != nil {
		Absent(t, err)
	}
	defer stop()
	if got := ask[string](t, dsn, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s, want on", got)
	}
	stop()
	stop() // a second time does nothing
	if dir := dirOf(t, dsn); dir != "" && !isGone(dir) {
		t.Errorf("stop left %s", dir)
	}
}

// A process killed outright takes its cluster along.
func TestClusterDiesWithItsProcess(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run=^TestClusterHolder$")
	child.Env = append(os.Environ(), "TESTDB_HOLD=1")
	child.Stderr = os.Stderr
	stdin, err1 := child.StdinPipe()
	stdout, err2 := child.StdoutPipe()
	if err := errors.Join(err1, err2, child.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }() // held: the child waits for its end
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	dsn, ok := strings.CutPrefix(strings.TrimSpace(line), "holding ")
	dir := ""
	if ok {
		dir = dirOf(t, dsn)
	}
	if dir == "" {
		_ = child.Process.Kill()
		_ = child.Wait()
		Absent(t, fmt.Errorf("no throwaway cluster here: %s", line))
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()

	_ = child.Process.Kill()
	_ = child.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); ctx.Err() != nil { // ends when the server does
		t.Fatalf("the server outlives its process: %v", err)
	}
	waitGone(ctx, t, dir)
}

// TestClusterHolder is the process that TestClusterDiesWithItsProcess kills; in any other it does nothing.
func TestClusterHolder(t *testing.T) {
	if os.Getenv("TESTDB_HOLD") == "" {
		return
	}
	_, _ = os.Stdout.WriteString("holding " + Postgres(t, migrateQuietly) + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// A keeper killed with its process leaves a server; the next cluster's start removes it.
func TestClusterSweepsOrphans(t *testing.T) {
	t.Parallel()
	bin, err := findBinaries()
	if err != nil {
		Absent(t, err)
	}
	as, err := unprivileged()
	if err != nil {
		Absent(t, err)
	}
	base := publicDir(t)
	dir, lock, err := clusterDir(base, as, hasty)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keep(t.Context(), bin, dir, as)
	if err != nil {
		t.Fatal(err)
	}
	sweepClusters(base, bin)
	if isGone(dir) {
		t.Fatal("the sweep took a living process's cluster")
	}

	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	k.stop() // only reaps it
	dsn := "postgres://postgres@/postgres?port=5432&host=" + dir
	if err := run(t.Context(), dsn, "SELECT 1"); err != nil {
		t.Fatalf("the server should have outlived its keeper: %v", err)
	}
	_ = lock.Close()
	sweepClusters(base, bin)
	if !isGone(dir) {
		t.Errorf("the sweep left %s", dir)
	}
	if err := run(t.Context(), dsn, "SELECT 1"); err == nil {
		t.Error("the orphan still takes connections")
	}
}

func TestClusterSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	bin := publicDir(t)
	if err := os.WriteFile(filepath.Join(bin, "initdb"), []byte("#!/bin/sh\necho no space left\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := startCluster(t.Context(), bin, hasty); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the error is %v, want what initdb said", err)
	}
}

// publicDir returns a directory that the server's user can enter and whose path leaves room for a socket's.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "testdb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dirOf returns the directory of the cluster at dsn, "" if that is no throwaway cluster.
func dirOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if host := u.Query().Get("host"); strings.Contains(host, clusterPrefix) {
		return host
	}
	return ""
}

func isGone(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// waitGone waits for another process, which has no way to tell us, to remove path.
func waitGone(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !isGone(path) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is still there", path)
		}
	}
}
