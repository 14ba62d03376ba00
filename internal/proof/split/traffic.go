//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// call is a tools/call that was followed to its end.
type call struct {
	task       string
	answeredIn time.Duration // from the call to the answer with the task
	receipt    tools.Receipt
	err        error
}

// client calls the tool through the balancer.
type client struct {
	session *mcpclient.Session
	stop    chan struct{} // closed when no further calls are to be made

	mu    sync.Mutex
	calls []call
}

func connect(ctx context.Context, b *balancer) (*client, error) {
	implementation := &mcp.Implementation{Name: "mcptasks-split", Version: "v1"}
	session, err := mcpclient.NewClient(implementation, nil).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint:   "http://balancer/mcp", // the balancer puts a server's address there
		HTTPClient: &http.Client{Transport: b},
	}, nil)
	if err != nil {
		return nil, err
	}
	return &client{session: session, stop: make(chan struct{})}, nil
}

// firstCalled is the client's first order. The producer's begin with 1.
const firstCalled = 1_000_000

// call calls the tool and returns when the task has ended.
func (c *client) call(ctx context.Context) call {
	c.mu.Lock()
	c.calls = append(c.calls, call{})
	i := len(c.calls) - 1
	c.mu.Unlock()
	var made call
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls[i] = made
	}()

	begun := time.Now()
	started, err := c.session.Start(ctx, &mcp.CallToolParams{Name: "ship", Arguments: tools.Order{Number: firstCalled + int64(i), Item: "tea"}})
	made.answeredIn = time.Since(begun)
	switch {
	case err != nil:
		made.err = err
		return made
	case started.Task == nil:
		made.err = fmt.Errorf("the tool answered without a task")
		return made
	}
	made.task = started.Task.ID
	result, err := c.session.Resume(ctx, made.task)
	if err == nil {
		made.receipt, err = receiptOf(result)
	}
	made.err = err
	return made
}

func receiptOf(result *mcp.CallToolResult) (receipt tools.Receipt, err error) {
	if result.IsError {
		return receipt, fmt.Errorf("the tool says: %v", result.Content)
	}
	data, err := json.Marshal(result.StructuredContent)
	if err == nil {
		err = json.Unmarshal(data, &receipt)
	}
	return receipt, err
}

// callUntilStopped makes calls, several at a time, until stop is closed. It returns when
// the last one has ended.
func (c *client) callUntilStopped(ctx context.Context, size int) {
	var callers sync.WaitGroup
	for range size {
		callers.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-c.stop:
					return
				default:
					c.call(ctx)
				}
			}
		})
	}
	callers.Wait()
}

// producer runs the program producer.
type producer struct {
	dir, url string

	announced map[int64]string // task ids by order, printed after the commit
	refused   int              // orders that existed before
}

// run runs the program with count orders. If killAfter is not 0 it kills the program after
// that many lines of output.
func (p *producer) run(ctx context.Context, count int, every time.Duration, killAfter int) error {
	log, err := os.OpenFile(filepath.Join(p.dir, "producer.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := command(p.url, filepath.Join(p.dir, "producer"), "-count", fmt.Sprint(count), "-every", every.String())
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()

	lines := bufio.NewScanner(stdout)
	for n := 1; lines.Scan(); n++ {
		p.read(lines.Text())
		if n == killAfter {
			_ = cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	if killAfter != 0 && cmd.ProcessState != nil && !cmd.ProcessState.Exited() {
		return context.Cause(ctx) // it was killed, as intended
	}
	if err != nil {
		return fmt.Errorf("the producer: %w: see its log", err)
	}
	return nil
}

func (p *producer) read(line string) {
	var number int64
	var task string
	if n, _ := fmt.Sscanf(line, "order %d is task %s", &number, &task); n == 2 {
		p.announced[number] = task
		return
	}
	p.refused++
}
