package command

import (
	"context"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver"
)

// serveStdio serves one client until the client closes in, or ctx ends. Nothing else may
// write to out.
func serveStdio(ctx context.Context, server *mcp.Server, in io.Reader, out io.Writer) error {
	transport := &mcp.IOTransport{Reader: io.NopCloser(in), Writer: nopCloser{out}}
	if in, ok := in.(io.ReadCloser); ok { // so that closing it ends a Read
		transport.Reader = in
	}
	err := server.Run(ctx, mcpserver.NewTransport(transport))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
