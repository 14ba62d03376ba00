//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/load"
	"github.com/mcptasks/mcptasks/internal/proof/bench/rawclient"
)

// served is what a load program that serves has printed: its address, and the ids of
// tasks that it has.
type served struct {
	address            string
	completed, working []string
}

func parseServed(lines []string) (*served, error) {
	var s served
	for _, line := range lines {
		word, value, _ := strings.Cut(line, " ")
		switch word {
		case "listening":
			s.address = value
		case "completed":
			s.completed = append(s.completed, value)
		case "working":
			s.working = append(s.working, value)
		}
	}
	if s.address == "" || s.completed == nil || s.working == nil {
		return nil, errors.New("the load program did not print its address and tasks")
	}
	return &s, nil
}

// getTasks returns a function that returns a tasks/get: half are of completed tasks.
func getTasks(s *served) func() *rawclient.Exchange {
	var all []*rawclient.Exchange
	for _, id := range s.completed {
		all = append(all, rawclient.Get(id, `"status":"completed"`))
	}
	for _, id := range s.working {
		all = append(all, rawclient.Get(id, `"status":"working"`))
	}
	return func() *rawclient.Exchange { return all[rand.IntN(len(all))] } //nolint:gosec // any will do
}

// callTool returns a function that returns a tools/call, which is answered with a task.
func callTool(*served) func() *rawclient.Exchange {
	const arguments = `{"topic":"the tides of the North Sea","steps":5,"notify":"someone@example.org"}`
	call := rawclient.Call("/mcp", "noop", json.RawMessage(arguments), `"resultType":"task"`)
	return func() *rawclient.Exchange { return call }
}

// exchanges has clients of this process make the figure's requests.
func exchanges(ctx context.Context, f figure, s *served) error {
	clients, err := rawclient.Dial(ctx, s.address, f.callers)
	if err != nil {
		return err
	}
	next := f.requests(s)
	err = clients.SetDeadline(time.Now().Add(2 * time.Minute))
	if err == nil {
		_, err = load.Each(ctx, f.callers, f.n, func(_ context.Context, caller int) error { return clients.Do(caller, next()) })
	}
	if err = errors.Join(err, clients.Close()); err != nil {
		return fmt.Errorf("over HTTP: %w", err)
	}
	return nil
}
