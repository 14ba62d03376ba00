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
	startPatience = 30 * time.Second
	stopPatience  = 45 * time.Second // what docker-compose.yml gives them
	tick          = 20 * time.Millisecond
)

// member is a server or a worker: one process at a time, always on the same
// addresses.
type member struct {
	name string
	addr string // where a server serves; "" of a worker
	ops  string // where it answers probes
	args []string

	dir, url string
	lives    []*life
}

// life is one process of a member, and what was seen of its end.
type life struct {
	name    string
	pid     int
	process string // as receipts name it
	cmd     *exec.Cmd
	ended   chan struct{}

	killed    bool
	underLoad bool // when it was told to stop
	drained   bool // /readyz said so before it ended
	finishes  int  // tasks that it says it finished; -1 if it was not asked
}

func newMember(dir, url, program, name string) (*member, error) {
	m := &member{name: name, dir: dir, url: url}
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

// notice is how long a server serves on: the balancer asks several times meanwhile.
const notice = time.Second

// freeAddr returns an address that nobody listens on now. It is none of those that the
// system gives to connections: one could take it while its server is restarted.
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

// now returns the process that lives, or lived last.
func (m *member) now() *life { return m.lives[len(m.lives)-1] }

// start starts a process and returns when it is ready.
func (m *member) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	log, err := os.OpenFile(filepath.Join(m.dir, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	l := &life{name: m.name, cmd: command(m.url, m.args...), ended: make(chan struct{}), finishes: -1}
	l.cmd.Stdout, l.cmd.Stderr = log, log
	if err := l.cmd.Start(); err != nil {
		return err
	}
	l.pid = l.cmd.Process.Pid
	l.process = work.Process(l.pid)
	m.lives = append(m.lives, l)
	go func() {
		_ = l.cmd.Wait() // how it ended is in ProcessState
		close(l.ended)
	}()
	for ops.Probe(ctx, m.ops) != nil {
		select {
		case <-l.ended:
			return fmt.Errorf("%s ended before it was ready: %s: see its log", m.name, l.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s: see its log", m.name, startPatience)
		case <-time.After(tick):
		}
	}
	return nil
}

// command is a program on the database.
func command(url string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+url)
	return cmd
}

// stop ends the process with SIGTERM and watches it drain.
func (m *member) stop(ctx context.Context) error {
	l := m.now()
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s was to be stopped: %w", m.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for {
		if err := ops.Probe(ctx, m.ops); err != nil && err.Error() == "not ready: the node is stopping" {
			l.drained = true
		}
		select {
		case <-l.ended:
			if !l.cmd.ProcessState.Success() {
				return fmt.Errorf("%s did not end in good order: %s: see its log", m.name, l.cmd.ProcessState)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s did not end within %s of being asked to", m.name, stopPatience)
		case <-time.After(tick):
		}
	}
}

// kill ends the process at once.
func (l *life) kill() {
	_ = l.cmd.Process.Kill()
	<-l.ended
}

// leaveNone ends what still lives.
func leaveNone(members []*member) {
	for _, m := range members {
		for _, l := range m.lives {
			l.kill()
		}
	}
}

// runOnce runs a program that ends by itself.
func runOnce(ctx context.Context, url string, args ...string) error {
	cmd := command(url, args...)
	done := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer done()
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out), context.Cause(ctx))
	}
	return nil
}
