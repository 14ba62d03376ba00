//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
)

// requestTimeout bounds one request. The database may be unreachable for two leases.
const requestTimeout = 20 * time.Second

// client sends requests to the serving nodes and logs them with their answers. It is safe
// for concurrent use.
type client struct {
	urls []string // of the serving nodes
	http *http.Client

	mu  sync.Mutex
	log []*history.Request
}

func newClient(urls []string) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &client{urls: urls, http: &http.Client{Transport: transport, Timeout: requestTimeout}}
}

// do sends the request to its node, fills in the answer, and logs it.
func (c *client) do(ctx context.Context, r *history.Request) *history.Request {
	name, params := r.Task, map[string]any{"taskId": r.Task}
	switch r.Op {
	case history.OpCall:
		name, params = r.Call.Tool, map[string]any{"name": r.Call.Tool, "arguments": r.Call}
	case history.OpUpdate:
		responses := make(map[string]any, len(r.Answers))
		for key, word := range r.Answers {
			responses[key] = map[string]any{"action": "accept", "content": map[string]any{"word": word}}
		}
		params["inputResponses"] = responses
	}
	params["_meta"] = map[string]any{
		mcp.MetaKeyProtocolVersion:    mcpwire.ExtensionVersion,
		mcp.MetaKeyClientInfo:         map[string]any{"name": "chaos", "version": "v1"},
		mcp.MetaKeyClientCapabilities: map[string]any{"extensions": map[string]any{mcpwire.Extension: map[string]any{}}},
	}
	r.Sent = time.Now().UnixNano()
	body, err := c.post(context.WithoutCancel(ctx), r, name, params) // once sent, the answer is waited for
	r.Acked, r.Body = time.Now().UnixNano(), body
	if err != nil {
		r.Failed = err.Error()
	} else if id, _, _ := r.View(); r.Op == history.OpCall {
		r.Task = id
	}
	c.mu.Lock()
	c.log = append(c.log, r)
	c.mu.Unlock()
	return r
}

func (c *client) post(ctx context.Context, r *history.Request, name string, params map[string]any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": r.Op, "params": params})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.urls[r.Node], bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": mcpwire.ExtensionVersion, "Mcp-Method": r.Op, "Mcp-Name": name, ownerHeader: r.Owner,
	} {
		req.Header.Set(key, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if rest, ok := bytes.CutPrefix(data, []byte("event: message\n")); ok {
		data = rest
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("data: ")))
	if len(data) == 0 || data[0] != '{' {
		return nil, fmt.Errorf("HTTP %d: %.200s", resp.StatusCode, data)
	}
	return data, nil
}

// requests returns all requests so far.
func (c *client) requests() []*history.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log
}
