package mcpclient

import (
	"bytes"
	"context"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// tapTransport returns a transport that lets captures record what it receives. The
// SDK must get its own HTTP transport, so that one is copied and given another HTTP
// client. Any other transport is wrapped.
func tapTransport(transport mcp.Transport) mcp.Transport {
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

// messageTransport is a transport with one stream of messages in each direction.
type messageTransport struct{ mcp.Transport }

func (t *messageTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	connection, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &messageConnection{Connection: connection, calls: make(map[jsonrpc.ID]sentCall)}, nil
}

// messageConnection finds the capture for a response by the id of its request: the
// responses to all requests arrive on one stream.
type messageConnection struct {
	mcp.Connection

	mu    sync.Mutex
	calls map[jsonrpc.ID]sentCall
}

type sentCall struct {
	capture *capture
	stop    func() bool // stops waiting for the end of the call's context
}

func (c *messageConnection) Write(ctx context.Context, msg jsonrpc.Message) error {
	request, ok := msg.(*jsonrpc.Request)
	captured := captureFrom(ctx)
	if !ok || captured == nil || request.Method != captured.method {
		return c.Connection.Write(ctx, msg)
	}
	if captured.asTask {
		request = withTaskParam(request)
	}
	captured.begin(request.ID)
	c.mu.Lock()
	c.calls[request.ID] = sentCall{captured, context.AfterFunc(ctx, func() { c.remove(request.ID) })}
	c.mu.Unlock()
	err := c.Connection.Write(ctx, request)
	if err != nil {
		c.remove(request.ID)
	}
	return err
}

func (c *messageConnection) Read(ctx context.Context) (jsonrpc.Message, error) {
	msg, err := c.Connection.Read(ctx)
	if response, ok := msg.(*jsonrpc.Response); ok {
		if captured := c.remove(response.ID); captured != nil {
			captured.record(response)
		}
	}
	return msg, err
}

// remove forgets a call and returns its capture, or nil if there is none.
func (c *messageConnection) remove(id jsonrpc.ID) *capture {
	c.mu.Lock()
	defer c.mu.Unlock()
	call, ok := c.calls[id]
	if !ok {
		return nil
	}
	delete(c.calls, id)
	call.stop()
	return call.capture
}

// withTaskParam returns the tools/call with an empty params.task, for which the SDK's
// params have no field. The SDK always encodes params as an object.
func withTaskParam(call *jsonrpc.Request) *jsonrpc.Request {
	members := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(call.Params), []byte("{")))
	params := []byte(`{"task":{}`)
	if !bytes.HasPrefix(members, []byte("}")) {
		params = append(params, ',')
	}
	asTask := *call
	asTask.Params = append(params, members...)
	return &asTask
}
