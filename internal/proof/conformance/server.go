package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const serverPackage = "github.com/mcptasks/mcptasks/examples/conformance"

const (
	startTimeout = time.Minute
	stopTimeout  = 40 * time.Second // the server drains its runs for up to 30 s
)

// A server is the program under test, running as a process of its own.
type server struct {
	url  string
	stop func() // interrupts the process and returns when it has ended
}

// startServer builds the program into dir, starts it on a free port and returns
// when it listens. Its log goes to server.log in dir. When ctx ends, so does it.
func startServer(ctx context.Context, dir string) (*server, error) {
	binary := filepath.Join(dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, serverPackage)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", serverPackage, err, tail(out))
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own descriptor

	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	endpoint := make(chan string, 1)
	var waitErr error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() { // to the end: a full pipe would stall the server
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok && len(endpoint) == 0 {
				endpoint <- url
			}
		}
		waitErr = cmd.Wait()
	}()
	stop := func() {
		cancel()
		<-ended
		os.Remove(binary) // the directory may stay for its log
	}

	select {
	case url := <-endpoint:
		return &server{url: url, stop: stop}, nil
	case <-ended:
		stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("the server ended before it listened: %w\n%s", waitErr, tail(text))
	case <-time.After(startTimeout):
		stop()
		return nil, fmt.Errorf("the server did not listen within %s", startTimeout)
	}
}
