package mcpclient

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// mute accepts requests and never answers.
type mute struct {
	mcp.Connection
	err error
}

func (m mute) Write(context.Context, jsonrpc.Message) error { return m.err }

func (m mute) Read(context.Context) (jsonrpc.Message, error) { return nil, io.EOF }

// The connection forgets a call that was abandoned or could not be sent.
func TestCallsAreForgotten(t *testing.T) {
	t.Parallel()
	id, err := jsonrpc.MakeID("1")
	if err != nil {
		t.Fatal(err)
	}
	request := &jsonrpc.Request{ID: id, Method: mcpwire.MethodCall}
	synctest.Test(t, func(t *testing.T) {
		c := &messageConnection{Connection: mute{}, calls: make(map[jsonrpc.ID]sentCall)}
		ctx, cancel := context.WithCancel(withCapture(t.Context(), &capture{method: mcpwire.MethodCall}))
		if err := c.Write(ctx, request); err != nil || len(c.calls) != 1 {
			t.Errorf("sent: %v, %d calls", err, len(c.calls))
		}
		if msg, err := c.Read(ctx); msg != nil || !errors.Is(err, io.EOF) {
			t.Errorf("read %v, %v", msg, err)
		}
		cancel()
		synctest.Wait()
		if len(c.calls) != 0 {
			t.Errorf("%d calls after the cancellation", len(c.calls))
		}

		c.Connection = mute{err: io.ErrClosedPipe}
		ctx = withCapture(t.Context(), &capture{method: mcpwire.MethodCall})
		if err := c.Write(ctx, request); !errors.Is(err, io.ErrClosedPipe) || len(c.calls) != 0 {
			t.Errorf("not sent: %v, %d calls", err, len(c.calls))
		}
	})
}

func TestWithTaskParam(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{
		`{}`:                          `{"task":{}}`,
		` { } `:                       `{"task":{}}`,
		`{"name":"a","arguments":{}}`: `{"task":{},"name":"a","arguments":{}}`,
	} {
		call := &jsonrpc.Request{Method: mcpwire.MethodCall, Params: []byte(params)}
		if got := withTaskParam(call); string(got.Params) != want || string(call.Params) != params {
			t.Errorf("%s became %s, and itself %s", params, got.Params, call.Params)
		}
	}
}
