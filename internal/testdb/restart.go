//go:build unix

package testdb

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Cluster is a server of the caller's own on this machine, with fsync on, that can be restarted.
type Cluster struct {
	URL  string // of its maintenance database
	Stop func() // removes the server; calling it again does nothing
	bin  string
	dir  string
}

// StartCluster starts one with PostgreSQL's programs, which must be installed here: neither Docker's nor somebody else's
// server will do. It lives until Stop or the process's end.
func StartCluster(ctx context.Context) (*Cluster, error) {
	bin, err := host.binaries()
	if err != nil {
		return nil, fmt.Errorf("no PostgreSQL on this machine: %w", err)
	}
	srv, err := startCluster(ctx, bin, durable)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(srv.url)
	if err != nil {
		srv.stop()
		return nil, err
	}
	return &Cluster{URL: srv.url, Stop: sync.OnceFunc(srv.stop), bin: bin, dir: u.Query().Get("host")}, nil
}

// Restart restarts the server in one of pg_ctl's modes, "fast" or "immediate", and returns when it accepts connections.
func (c *Cluster) Restart(ctx context.Context, mode string) error {
	as, err := unprivileged()
	if err != nil {
		return err
	}
	restart := exec.CommandContext(ctx, filepath.Join(c.bin, "pg_ctl"), "restart",
		"-D", filepath.Join(c.dir, "data"), "-m", mode, "-w", "-l", filepath.Join(c.dir, "log"))
	restart.Dir = c.dir
	restart.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as}
	if out, err := restart.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl restart -m %s: %w: %s", mode, err, oneLine(fmt.Errorf("%s", out)))
	}
	return nil
}
