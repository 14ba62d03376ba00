package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	listenTimeout = 15 * time.Second
	stopTimeout   = 10 * time.Second
)

// A server is a process of the quickstart program.
type server struct {
	url   string
	cmd   *exec.Cmd
	log   *lines        // what it wrote to stderr
	ended chan struct{} // closed when the process has ended and its output was read
}

// startServer starts the program on a free port and returns when it listens. It prints and
// notes the steps that the program runs. The process is killed when ctx ends.
func startServer(ctx context.Context, s *screen, seen *observations, binary, db string) (*server, error) {
	listening := make(chan string, 1)
	stderr := &lines{each: func(line string) {
		if run, ok := parseStepRun(line); ok {
			seen.note(run)
			s.say("server", "process %d runs step %d", run.pid, run.step)
		}
	}}
	stdout := &lines{each: func(line string) {
		if url, ok := strings.CutPrefix(line, "listening on "); ok && len(listening) == 0 {
			listening <- url
		}
	}}
	srv := &server{
		cmd:   exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0", "-db", db),
		log:   stderr,
		ended: make(chan struct{}),
	}
	srv.cmd.Stdout, srv.cmd.Stderr = stdout, stderr
	srv.cmd.WaitDelay = time.Second
	if err := srv.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = srv.cmd.Wait() // the result is in ProcessState
		close(srv.ended)
	}()

	select {
	case srv.url = <-listening:
		s.say("demo", "process %d listens on %s", srv.pid(), srv.url)
		return srv, nil
	case <-srv.ended:
		s.log(srv)
		return nil, fmt.Errorf("the server ended before it listened: %s", srv.cmd.ProcessState)
	case <-time.After(listenTimeout):
		srv.kill()
		s.log(srv)
		return nil, fmt.Errorf("the server did not listen within %s", listenTimeout)
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// kill ends the process with SIGKILL. It reports whether that ended it.
func (s *server) kill() bool {
	err := s.cmd.Process.Kill()
	<-s.ended
	return err == nil && !s.cmd.ProcessState.Exited()
}

// stop interrupts the process and returns when it has ended.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("the server was to be stopped: %w", err)
	}
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		s.kill()
		return fmt.Errorf("the server did not stop within %s", stopTimeout)
	}
	if !s.cmd.ProcessState.Success() {
		return errors.New("the server did not stop cleanly: " + s.cmd.ProcessState.String())
	}
	return nil
}

// lines is a writer that calls each for every whole line. One goroutine may write, and the
// text may be read when the process has ended.
type lines struct {
	each func(string)
	all  []byte
	read int
}

func (l *lines) Write(p []byte) (int, error) {
	l.all = append(l.all, p...)
	for {
		i := bytes.IndexByte(l.all[l.read:], '\n')
		if i < 0 {
			return len(p), nil
		}
		l.each(string(l.all[l.read : l.read+i]))
		l.read += i + 1
	}
}

func (l *lines) text() string { return string(l.all) }
