package testserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/npm"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 40 * time.Second // the program drains its runs for up to 30 s
)

// A process is the program, listening.
type process struct {
	endpoint string
	stop     func() error // interrupts the process and returns when it has ended
}

// start starts the program on a free port and returns when it listens. The program ends
// with ctx.
func start(ctx context.Context, binary, database, logPath string) (*process, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own descriptor

	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+database)
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
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() { // to its end: a full pipe would block the program
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok && len(endpoint) == 0 {
				endpoint <- url
			}
		}
		_ = cmd.Wait() // the result is in ProcessState
	}()
	stop := func() error {
		cancel()
		<-ended
		if !cmd.ProcessState.Success() {
			return fmt.Errorf("the server did not stop cleanly: %s", cmd.ProcessState)
		}
		return nil
	}

	select {
	case url := <-endpoint:
		return &process{endpoint: url, stop: stop}, nil
	case <-ended:
		cancel()
		text, _ := os.ReadFile(logPath)
		return nil, fmt.Errorf("the server ended before it listened: %s\n%s", cmd.ProcessState, npm.Tail(text))
	case <-time.After(startTimeout):
		_ = stop()
		return nil, fmt.Errorf("the server did not listen within %s", startTimeout)
	}
}
