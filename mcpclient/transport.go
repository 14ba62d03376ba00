package mcpclient

import (
	"bytes"
	"context"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// listening returns a transport that shows awaited answers what it receives. The
// SDK's HTTP transport must reach the SDK as itself and is given an HTTP client
// that listens; any other is wrapped.
func listening(transport mcp.Transport) mcp.Transport {
	t, ok := transport.(*mcp.StreamableClientTransport)
	if !ok {
		return &messageTransport{Transport: transport}
	}
	streamable := *t
	var client http.Client
	if t.HTTPClient != nil {
		client = *t.HTTPClient
	}
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = &httpTransport{next: client.Transport}
	streamable.HTTPClient = &client
	return &streamable
}

type messageTransport struct{ mcp.Transport }

func (t *messageTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	connection, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &messageConnection{Connection: connection, calls: make(map[jsonrpc.ID]sentCall)}, nil
}

// messageConnection is a connection on which the answers to all calls arrive mixed.
type messageConnection struct {
	mcp.Connection

	mu    sync.Mutex
	calls map[jsonrpc.ID]sentCall
}

type sentCall struct {
	answer *answer
	keep   func() bool // the call's context need not be watched any longer
}

func (c *messageConnection) Write(ctx context.Context, msg jsonrpc.Message) error {
	request, ok := msg.(*jsonrpc.Request)
	answer := awaited(ctx)
	if !ok || answer == nil || request.Method != answer.method {
		return c.Connection.Write(ctx, msg)
	}
	if answer.asTask {
		request = askingForTask(request)
	}
	answer.expect(request.ID)
	c.mu.Lock()
	c.calls[request.ID] = sentCall{answer, context.AfterFunc(ctx, func() { c.take(request.ID) })}
	c.mu.Unlock()
	err := c.Connection.Write(ctx, request)
	if err != nil {
		c.take(request.ID)
	}
	return err
}

func (c *messageConnection) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := c.Connection.Read(ctx)
	if response, ok := msg.(*jsonrpc.Response); ok {
		if answer := c.take(response.ID); answer != nil {
			answer.offer(response)
		}
	}
	return msg, err
}

// take forgets a call and returns its answer, or nil if none is awaited.
func (c *messageConnection) take(id jsonrpc.ID) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	call, ok := c.calls[id]
	if !ok {
		return nil
	}
	delete(c.calls, id)
	call.keep()
	return call.answer
}

// askingForTask returns the tools/call with an empty params.task, for which the
// SDK's params have no field. They are an object.
func askingForTask(call *jsonrpc.Request) *jsonrpc.Request {
	members := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(call.Params), []byte("{")))
	params := []byte(`{"task":{}`)
	if !bytes.HasPrefix(members, []byte("}")) {
		params = append(params, ',')
	}
	asking := *call
	asking.Params = append(params, members...)
	return &asking
}
