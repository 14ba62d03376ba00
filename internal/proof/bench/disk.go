//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// describeDisk says how often a second the disk of a directory makes a page durable, by
// PostgreSQL's pg_test_fsync if it is among the programs in bin, else by a loop of ours.
// The wall time of a single writer depends on it.
func describeDisk(ctx context.Context, dir, bin string) string {
	by := "pg_test_fsync, fdatasync"
	rate, err := testFsync(ctx, dir, filepath.Join(bin, "pg_test_fsync"))
	if err != nil {
		by = "a loop of write and fsync"
		rate, err = fsyncLoop(dir, time.Second)
	}
	if err != nil {
		return "disk: " + err.Error()
	}
	return fmt.Sprintf("disk: %.0f fsyncs of 8 kB a second (%s)", rate, by)
}

var fdatasyncLine = regexp.MustCompile(`^\s*fdatasync\s+([0-9.]+) ops/sec`)

// testFsync runs pg_test_fsync until it has measured fdatasync, the method that Postgres
// uses on Linux by default. That takes two of its tests, of a second each.
func testFsync(ctx context.Context, dir, program string) (rate float64, err error) {
	file := filepath.Join(dir, "pg_test_fsync.out")
	cmd := exec.CommandContext(ctx, program, "-s", "1", "-f", file) //nolint:gosec // PostgreSQL's
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // the other tests are not needed
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		_ = os.Remove(file)
	}()
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		if found := fdatasyncLine.FindStringSubmatch(scanner.Text()); found != nil {
			_, err := fmt.Sscan(found[1], &rate)
			return rate, err
		}
	}
	return 0, errors.New("pg_test_fsync did not measure fdatasync")
}

// fsyncLoop overwrites a page of a file and makes it durable, again and again.
func fsyncLoop(dir string, lasting time.Duration) (rate float64, err error) {
	file, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	page := make([]byte, 8192)
	begin, n := time.Now(), 0
	for ; time.Since(begin) < lasting; n++ {
		if _, err := file.WriteAt(page, 0); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}
