//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mcptasks/mcptasks/examples/split/work"
	"github.com/mcptasks/mcptasks/ops"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 45 * time.Second // what docker-compose.yml gives them
	tick         = 20 * time.Millisecond
)

// service is a server or a worker. It has one process at a time, always with the same
// addresses.
type service struct {
	name string
	addr string // where a server serves; empty for a worker
	ops  string // where it answers probes
	args []string

	dir, url  string
	instances []*instance
}

// instance is a process of a service, and how it ended.
type instance struct {
	name    string
	pid     int
	process string // its name in receipts
	cmd     *exec.Cmd
	ended   chan struct{}

	killed    bool
	underLoad bool // it was told to stop under load
	drained   bool // /readyz said so before it ended
	finishes  int  // tasks finished by its /metrics; -1 if it was not asked
}

func newService(dir, url, program, name string) (*service, error) {
	m := &service{name: name, dir: dir, url: url}
	var err error
	if m.ops, err = freeAddr(); err != nil {
		return nil, err
	}
	m.args = []string{filepath.Join(dir, program), "-ops", m.ops}
	if program != "server" {
		return m, nil
	}
	if m.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	m.args = append(m.args, "-addr", m.addr, "-notice", notice.String())
	return m, nil
}

// notice is how long a server serves after it is unready. The balancer probes several
// times meanwhile.
const notice = time.Second

// freeAddr returns an address that is free. Its port is not in the ephemeral range, since a
// connection could use it while the server is restarted.
func freeAddr() (string, error) {
	for tries := 1; ; tries++ {
		listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(10_000)))
		if err == nil {
			return listener.Addr().String(), listener.Close()
		}
		if tries == 100 {
			return "", err
		}
	}
}

// now returns the newest process.
func (m *service) now() *instance { return m.instances[len(m.instances)-1] }

// start starts a process and returns when it is ready.
func (m *service) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log, err := os.OpenFile(filepath.Join(m.dir, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	l := &instance{name: m.name, cmd: command(m.url, m.args...), ended: make(chan struct{}), finishes: -1}
	l.cmd.Stdout, l.cmd.Stderr = log, log
	if err := l.cmd.Start(); err != nil {
		return err
	}
	l.pid = l.cmd.Process.Pid
	l.process = work.Process(l.pid)
	m.instances = append(m.instances, l)
	go func() {
		_ = l.cmd.Wait() // the result is in ProcessState
		close(l.ended)
	}()
	for ops.Probe(ctx, m.ops) != nil {
		select {
		case <-l.ended:
			return fmt.Errorf("%s ended before it was ready: %s: see its log", m.name, l.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s: see its log", m.name, startTimeout)
		case <-time.After(tick):
		}
	}
	return nil
}

// command returns a command with the database's URL in its environment.
func command(url string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	return cmd
}

// stop ends the process with SIGTERM and probes it while it drains.
func (m *service) stop(ctx context.Context) error {
	l := m.now()
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s was to be stopped: %w", m.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for {
		if err := ops.Probe(ctx, m.ops); err != nil && err.Error() == "not ready: the node is stopping" {
			l.drained = true
		}
		select {
		case <-l.ended:
			if !l.cmd.ProcessState.Success() {
				return fmt.Errorf("%s did not end cleanly: %s: see its log", m.name, l.cmd.ProcessState)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s did not end within %s of being asked to", m.name, stopTimeout)
		case <-time.After(tick):
		}
	}
}

// kill ends the process with SIGKILL.
func (l *instance) kill() {
	_ = l.cmd.Process.Kill()
	<-l.ended
}

// killAll kills the processes that have not ended.
func killAll(services []*service) {
	for _, m := range services {
		for _, l := range m.instances {
			l.kill()
		}
	}
}

// runOnce runs a program to its end.
func runOnce(ctx context.Context, url string, args ...string) error {
	cmd := command(url, args...)
	done := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer done()
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out), context.Cause(ctx))
	}
	return nil
}
