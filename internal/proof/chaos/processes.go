//go:build unix

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
)

const (
	startTimeout = 30 * time.Second // the database may be unreachable
	stopTimeout  = 30 * time.Second // a node's grace, and more than ten seconds besides
)

// managedNode is a node of the run. It has one process at a time. All methods but pid must
// be called by one goroutine at a time.
type managedNode struct {
	name string
	args []string
	dir  string

	mu      sync.Mutex
	process *process
	faults  []history.Fault
	exits   []error // of processes that ended without a fault
}

// process is a process of a managedNode.
type process struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser // the process exits when this is closed
	ready    chan struct{}  // closed when it works or serves
	ended    chan struct{}
	stopping atomic.Bool
}

// start starts a process and returns when it is ready. It starts another one if that ends
// before, which it does while the database is unreachable.
func (m *managedNode) start(ctx context.Context) error {
	deadline := time.Now().Add(startTimeout)
	for {
		p, err := m.spawn()
		if err != nil {
			return err
		}
		select {
		case <-p.ready:
			return nil
		case <-p.ended:
			if time.Now().After(deadline) {
				return fmt.Errorf("%s did not start within %s: see its log", m.name, startTimeout)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *managedNode) spawn() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(m.dir, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own descriptor
	p := &process{cmd: exec.Command(self, m.args...), ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C goes to this process alone
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.process = p
	m.mu.Unlock()
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if lines.Text() == "ready" {
				close(p.ready)
			}
		}
		err := p.cmd.Wait()
		select {
		case <-p.ready:
			if !p.stopping.Load() {
				m.note(history.Died, p.cmd.Process.Pid, time.Now())
				m.mu.Lock()
				m.exits = append(m.exits, fmt.Errorf("%s ended by itself at %s: %w: see its log", m.name, time.Now().UTC().Format(time.TimeOnly), cmp.Or(err, errors.New("exit status 0"))))
				m.mu.Unlock()
			}
		default: // it could not start: the database was unreachable
		}
	}()
	return p, nil
}

func (m *managedNode) pid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process.cmd.Process.Pid
}

func (m *managedNode) signal(s syscall.Signal) { _ = m.process.cmd.Process.Signal(s) }

// note records a fault of the process.
func (m *managedNode) note(kind string, pid int, from time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, history.Fault{Kind: kind, Node: m.name, PID: pid, From: from.UnixNano(), To: time.Now().UnixNano()})
}

// kill ends the process with SIGKILL, and starts another one after a while.
func (m *managedNode) kill(ctx context.Context, after time.Duration) error {
	from, pid := time.Now(), m.pid()
	m.process.stopping.Store(true)
	m.signal(syscall.SIGKILL)
	<-m.process.ended
	pause(ctx, after)
	defer m.note(history.Kill, pid, from)
	return m.start(ctx)
}

// freeze stops the process for a while.
func (m *managedNode) freeze(ctx context.Context, lasting time.Duration) {
	from := time.Now()
	m.signal(syscall.SIGSTOP)
	pause(ctx, lasting)
	m.signal(syscall.SIGCONT)
	m.note(history.Freeze, m.pid(), from)
}

// restart ends the process with SIGTERM, and starts another one.
func (m *managedNode) restart(ctx context.Context) error {
	from, pid := time.Now(), m.pid()
	m.process.stopping.Store(true)
	m.signal(syscall.SIGTERM)
	select {
	case <-m.process.ended:
	case <-time.After(stopTimeout):
		m.signal(syscall.SIGKILL)
		<-m.process.ended
		return fmt.Errorf("%s did not end within %s of being asked to", m.name, stopTimeout)
	}
	defer m.note(history.Restart, pid, from)
	return m.start(ctx)
}

// end ends the process and starts no other.
func (m *managedNode) end(inGoodOrder bool) {
	m.mu.Lock()
	p := m.process
	m.mu.Unlock()
	if p == nil {
		return
	}
	p.stopping.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	if inGoodOrder {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
			return
		case <-time.After(stopTimeout):
		}
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// revive starts a process if the last one has ended.
func (m *managedNode) revive(ctx context.Context) error {
	select {
	case <-m.process.ended:
		return m.start(ctx)
	default:
		return nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
