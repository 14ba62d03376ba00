// Package rawclient has MCP clients that use as little CPU time as they can, since they
// share a machine with the server that is measured. They write requests that were
// encoded before, and search the answers for text instead of decoding them.
package rawclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// An Exchange is an encoded request, and the texts that its answer must hold.
type Exchange struct {
	request []byte
	want    [][]byte
}

// Get returns a tasks/get to /mcp.
func Get(id string, want ...string) *Exchange {
	return post("/mcp", mcpwire.MethodGet, id, map[string]any{"taskId": id}, append(want, `"taskId":"`+id+`"`)...)
}

// Call returns a tools/call to the path.
func Call(path, tool string, args json.RawMessage, want ...string) *Exchange {
	return post(path, mcpwire.MethodCall, tool, map[string]any{"name": tool, "arguments": args}, want...)
}

// post returns a request of protocol 2026-07-28 by a client that declares tasks.
func post(path, method, name string, params map[string]any, want ...string) *Exchange {
	params["_meta"] = map[string]any{
		mcp.MetaKeyProtocolVersion:    mcpwire.ExtensionVersion,
		mcp.MetaKeyClientInfo:         map[string]any{"name": "bench", "version": "v1"},
		mcp.MetaKeyClientCapabilities: map[string]any{"extensions": map[string]any{mcpwire.Extension: map[string]any{}}},
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err) // maps of text
	}
	e := &Exchange{}
	e.request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: %s\r\nMcp-Method: %s\r\nMcp-Name: %s\r\n"+
		"Content-Length: %d\r\n\r\n%s", path, mcpwire.ExtensionVersion, method, name, len(body), body)
	for _, text := range want {
		e.want = append(e.want, []byte(text))
	}
	return e
}

// Clients are connections to a server. Each may be used by one goroutine at a time.
type Clients []*client

type client struct {
	conn   net.Conn
	reader *bufio.Reader
}

// Dial connects n clients to a server.
func Dial(ctx context.Context, address string, n int) (Clients, error) {
	var all Clients
	for range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, &client{conn: conn, reader: bufio.NewReader(conn)})
	}
	return all, nil
}

// Close closes the connections.
func (cs Clients) Close() error {
	var errs []error
	for _, c := range cs {
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(errs...)
}

// SetDeadline sets when exchanges that have not ended fail.
func (cs Clients) SetDeadline(at time.Time) error {
	var errs []error
	for _, c := range cs {
		errs = append(errs, c.conn.SetDeadline(at))
	}
	return errors.Join(errs...)
}

// Do has the nth client make an exchange. It returns an error if the answer does not
// hold all texts.
func (cs Clients) Do(n int, e *Exchange) error {
	c := cs[n]
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
