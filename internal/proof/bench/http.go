//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// httpClients is how many clients there are, each with a connection that it keeps.
const httpClients = 64

// httpGets compares polls over HTTP, of the tasks that polls reads, with calls of the
// echo tool that are answered with the text that our tool's result has.
func httpGets(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	p, err := h.polled(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, p.node.Close)
	clients, stop, err := dialServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stop)

	past := make([]*exchange, len(p.past))
	for i, id := range p.past {
		past[i] = get(id, `"status":"completed"`, answer)
	}
	gets := func(ctx context.Context, share float64) (*work, error) {
		if err := p.renew(ctx); err != nil {
			return nil, err
		}
		fresh := make([]*exchange, len(p.new))
		for i, id := range p.new {
			fresh[i] = get(id, `"status":"working"`)
		}
		return clients.do(ctx, db.pids(), h.lasting(share), func() *exchange {
			if n := rand.N(2 * len(past)); n < len(past) { //nolint:gosec // any will do
				return past[n]
			}
			return fresh[rand.N(len(fresh))] //nolint:gosec // any will do
		})
	}
	return h.ratios(ctx, (*work).rate, gets, h.echoes(db, clients, answer))
}

// httpCalls compares calls that are answered with a handle with calls of the echo tool
// with the same arguments.
func httpCalls(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	if err := h.migrate(ctx, db.url); err != nil {
		return nil, err
	}
	clients, stop, err := dialServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stop)
	call := post("/mcp", mcpwire.MethodCall, "noop", toolCall("noop", json.RawMessage(arguments)), `"resultType":"task"`, `"status":"working"`)
	calls := func(ctx context.Context, share float64) (*work, error) {
		done, err := clients.do(ctx, db.pids(), h.lasting(share), func() *exchange { return call })
		if err != nil {
			return nil, err
		}
		return done, errors.Join(
			db.expect(ctx, done.operations, `SELECT count(*) FROM `+tasksTable+` t JOIN `+jobsTable+` j ON j.id = t.job_id WHERE j.state = 'available'`),
			db.clear(ctx, tasksTable, jobsTable),
		)
	}
	return h.ratios(ctx, (*work).rate, calls, h.echoes(db, clients, topic))
}

// topic is that of arguments.
const topic = "the tides of the North Sea"

// echoes is the baseline: the echo tool, told to say a text.
func (h *harness) echoes(db *database, clients clients, text string) side {
	args, err := json.Marshal(input{Topic: text, Steps: 5, Notify: "someone@example.org"})
	if err != nil {
		panic(err) // strings and a number
	}
	call := post("/echo", mcpwire.MethodCall, "echo", toolCall("echo", args), `"resultType":"complete"`, text)
	return func(ctx context.Context, share float64) (*work, error) {
		return clients.do(ctx, db.pids(), h.lasting(share), func() *exchange { return call })
	}
}

// An exchange is a request as it goes over the wire, and what its answer has to hold.
type exchange struct {
	request []byte
	want    [][]byte
}

func get(id string, want ...string) *exchange {
	return post("/mcp", mcpwire.MethodGet, id, map[string]any{"taskId": id}, append(want, `"taskId":"`+id+`"`)...)
}

func toolCall(tool string, args json.RawMessage) map[string]any {
	return map[string]any{"name": tool, "arguments": args}
}

// post is a request of protocol 2026-07-28, by a client that declares tasks.
func post(path, method, name string, params map[string]any, want ...string) *exchange {
	params["_meta"] = map[string]any{
		mcp.MetaKeyProtocolVersion:    mcpwire.ExtensionVersion,
		mcp.MetaKeyClientInfo:         map[string]any{"name": "bench", "version": "v1"},
		mcp.MetaKeyClientCapabilities: map[string]any{"extensions": map[string]any{mcpwire.Extension: map[string]any{}}},
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err) // maps of text
	}
	e := &exchange{}
	e.request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: %s\r\nMcp-Method: %s\r\nMcp-Name: %s\r\n"+
		"Content-Length: %d\r\n\r\n%s", path, mcpwire.ExtensionVersion, method, name, len(body), body)
	for _, text := range want {
		e.want = append(e.want, []byte(text))
	}
	return e
}

// clients are connections to a server. They spend as little as a client can, on a
// machine that they share with it.
type clients []*client

type client struct {
	conn   net.Conn
	reader *bufio.Reader
}

// dialServer starts a server on the database and connects the clients.
func dialServer(ctx context.Context, db *database) (_ clients, stop func() error, err error) {
	server, err := startChild("serve", db.wide)
	if err != nil {
		return nil, nil, err
	}
	var all clients
	stop = func() error {
		for _, c := range all {
			_ = c.conn.Close()
		}
		return server.kill()
	}
	words, err := server.next(ctx, "listening")
	for i := 0; i < httpClients && err == nil; i++ {
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", words[0]); err == nil {
			all = append(all, &client{conn: conn, reader: bufio.NewReader(conn)})
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return all, stop, nil
}

// do has each client exchange what next says, again and again.
func (cs clients) do(ctx context.Context, pids []int, lasting time.Duration, next func() *exchange) (*work, error) {
	for _, c := range cs {
		if err := c.conn.SetDeadline(time.Now().Add(lasting + waitLimit)); err != nil {
			return nil, err
		}
	}
	return closedLoop(ctx, pids, len(cs), lasting, func(_ context.Context, caller int) error { return cs[caller].do(next()) })
}

func (c *client) do(e *exchange) error {
	if _, err := c.conn.Write(e.request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	for _, want := range e.want {
		if response.StatusCode != http.StatusOK || !bytes.Contains(body, want) {
			return fmt.Errorf("the answer has no %s: %s: %s", want, response.Status, body)
		}
	}
	return nil
}
