//go:build unix

package testdb

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	clusterPrefix = "mcptasks-pg-"
	longestBase   = 60 // a socket's path has room for about a hundred bytes
)

//go:embed keeper.sh
var script string

// startCluster starts a cluster of its own with the programs in bin. A keeper process stops it and removes its directory
// when stop is called or this process ends; a keeper that was itself killed is made up for by the next startCluster.
func startCluster(ctx context.Context, bin string, d durability) (server, error) {
	base := os.TempDir()
	if os.Getuid() == 0 || len(base) > longestBase {
		base = "/tmp" // where another user can go, and a socket's path fits
	}
	sweepClusters(base, bin)

	as, err := unprivileged()
	if err != nil {
		return server{}, err
	}
	dir, lock, err := clusterDir(base, as, d)
	if err != nil {
		return server{}, err
	}
	keeper, err := keep(ctx, bin, dir, as)
	if err != nil {
		_ = os.RemoveAll(dir)
		_ = lock.Close()
		return server{}, err
	}
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode(),
	}
	return server{url: u.String(), stop: func() {
		keeper.stop()
		_ = lock.Close()
	}}, nil
}

// unprivileged returns whom the server runs as: nil, this process's user, unless that is root, whom Postgres refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root may not run Postgres, and there is no user postgres or nobody")
}

// clusterDir makes a cluster's directory and takes its lock, which this process holds until it ends.
func clusterDir(base string, as *syscall.Credential, d durability) (dir string, lock *os.File, err error) {
	if dir, err = os.MkdirTemp(base, clusterPrefix); err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	settings := strings.Join([]string{
		"listen_addresses = ''",
		"unix_socket_directories = '" + strings.ReplaceAll(dir, "'", "''") + "'",
		"port = 5432", // names the socket
		"max_connections = 300",
		"shared_buffers = 32MB",
		"fsync = " + d.fsync(),
	}, "\n") + "\n"
	if err = os.WriteFile(filepath.Join(dir, "settings.conf"), []byte(settings), 0o644); err != nil {
		return "", nil, err
	}
	// Locked before it bears its name: a sweep never sees the lock of a living process free.
	if lock, err = os.Create(filepath.Join(dir, "lock.new")); err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", nil, err
	}
	if err = os.Rename(lock.Name(), filepath.Join(dir, "lock")); err != nil {
		return "", nil, err
	}
	if as != nil {
		if err = os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return "", nil, err
		}
	}
	return dir, lock, nil
}

// keeper is the process that looks after a cluster until life is closed.
type keeper struct {
	cmd  *exec.Cmd
	life *os.File
}

// stop ends the server and its keeper, and returns when both and their directory are gone.
func (k *keeper) stop() {
	_ = k.life.Close()
	_ = k.cmd.Wait()
}

// keep runs a keeper and returns it once its server accepts connections.
func keep(ctx context.Context, bin, dir string, as *syscall.Credential) (*keeper, error) {
	theirStdin, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	report, theirStdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirStdin.Close(), life.Close())
	}
	defer func() { _ = report.Close() }()
	cmd := exec.Command("/bin/sh", "-c", script, "keeper.sh", bin, dir)
	cmd.Dir = dir // ours may be closed to its user
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/bin:/bin", "HOME=" + dir, "LC_ALL=C"}
	cmd.Stdin, cmd.Stdout = theirStdin, theirStdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as} // a Ctrl-C is for us, not for it
	err = cmd.Start()
	_ = theirStdin.Close()
	_ = theirStdout.Close()
	if err != nil {
		_ = life.Close()
		return nil, err
	}
	k := &keeper{cmd: cmd, life: life}

	defer context.AfterFunc(ctx, func() { _ = report.SetReadDeadline(time.Now()) })()
	said, err := io.ReadAll(report)
	if err == nil && strings.TrimSpace(string(said)) != "ready" {
		err = errors.New(strings.TrimSpace(string(said)))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		k.stop()
		return nil, fmt.Errorf("starting a cluster with %s: %w", bin, err)
	}
	return k, nil
}

// sweepClusters removes the clusters in base that lost both their process and their keeper. What it cannot remove it
// leaves: another user's, or one just being made.
func sweepClusters(base, bin string) {
	dirs, _ := filepath.Glob(filepath.Join(base, clusterPrefix+"*")) // the only error is a malformed pattern
	for _, dir := range dirs {
		sweepCluster(dir, bin)
	}
}

func sweepCluster(dir, bin string) {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return
	}
	defer func() { _ = lock.Close() }()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return // its process lives
	}
	info, err := os.Stat(dir)
	if err != nil {
		return
	}
	stop := exec.Command(filepath.Join(bin, "pg_ctl"), "stop", "-D", filepath.Join(dir, "data"), "-m", "immediate")
	stop.Dir = dir
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Getuid() == 0 {
		stop.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	_ = stop.Run() // fails when no server is left
	_ = os.RemoveAll(dir)
}
