//go:build unix

package testdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envPgBouncer is "required" where a missing PgBouncer fails a test instead of skipping it.
const envPgBouncer = "MCPTASKS_TEST_PGBOUNCER"

// PgBouncer starts a PgBouncer in transaction mode in front of the server that the URL of one of its databases names. It
// returns a function that gives a database's URL the way through it. It has few connections to each database, so that no
// client has one for itself. It ends with the test, or with the process.
//
// Without the program pgbouncer the test is skipped, or fails if MCPTASKS_TEST_PGBOUNCER is "required".
func PgBouncer(tb testing.TB, database string) func(url string) string {
	tb.Helper()
	program, err := findPgBouncer()
	if err != nil {
		const hint = "no PgBouncer: install the package pgbouncer"
		if os.Getenv(envPgBouncer) == "required" {
			tb.Fatalf("%s (%v)", hint, err)
		}
		tb.Skipf("%s (%v)", hint, err)
	}
	dir, err := startPgBouncer(tb, program, database)
	if err != nil {
		tb.Fatalf("starting PgBouncer: %v", err)
	}
	return func(direct string) string {
		u, err := url.Parse(direct)
		if err != nil {
			tb.Fatalf("%v", err)
		}
		query := u.Query()
		query.Set("host", dir)
		query.Set("port", bouncerPort)
		query.Set("sslmode", "disable")
		return (&url.URL{Scheme: u.Scheme, User: url.User("anybody"), Path: u.Path, RawQuery: query.Encode()}).String()
	}
}

func findPgBouncer() (string, error) {
	program, err := exec.LookPath("pgbouncer")
	if err == nil {
		return program, nil
	}
	const debian = "/usr/sbin/pgbouncer" // not on everybody's PATH
	if _, statErr := os.Stat(debian); statErr == nil {
		return debian, nil
	}
	return "", err
}

const bouncerPort = "6432" // names the socket

// whileOpen runs a program for as long as its standard input is open: whichever way the process ends that holds the other
// end, the program does too.
const whileOpen = `"$@" </dev/null >log 2>&1 & read -r _; kill $!; wait`

// startPgBouncer returns the directory of its socket.
func startPgBouncer(tb testing.TB, program, database string) (string, error) {
	as, err := unprivileged() // root may not run PgBouncer either
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("/tmp", "mcptasks-pgbouncer-")
	if err != nil {
		return "", err
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "pgbouncer.ini")
	settings, err := bouncerSettings(database, dir)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(config, []byte(settings), 0o644); err != nil {
		return "", err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("/bin/sh", "-c", whileOpen, "sh", program, config)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as}
	life, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	tb.Cleanup(func() {
		_ = life.Close()
		_ = cmd.Wait()
	})
	return dir, awaitSocket(filepath.Join(dir, ".s.PGSQL."+bouncerPort), filepath.Join(dir, "log"))
}

func bouncerSettings(database, dir string) (string, error) {
	server, err := pgx.ParseConfig(database)
	if err != nil {
		return "", err
	}
	to := fmt.Sprintf("host=%s port=%d user=%s", server.Host, server.Port, server.User)
	if server.Password != "" {
		to += " password='" + strings.ReplaceAll(server.Password, "'", "''") + "'"
	}
	return strings.Join([]string{
		"[databases]",
		"* = " + to,
		"[pgbouncer]",
		"listen_addr =",
		"unix_socket_dir = " + dir,
		"listen_port = " + bouncerPort,
		"auth_type = any",
		"pool_mode = transaction",
		"default_pool_size = 4",
		"max_client_conn = 1000",
		"server_idle_timeout = 5",
	}, "\n") + "\n", nil
}

func awaitSocket(path, log string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond): // between two looks
		case <-ctx.Done():
			said, _ := os.ReadFile(log)
			return errors.Join(ctx.Err(), errors.New(oneLine(errors.New(string(said)))))
		}
	}
}
