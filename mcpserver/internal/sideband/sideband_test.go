package sideband

import (
	"errors"
	"net/http"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A request has its sideband until it is forgotten. After that its client is gone, which
// differs from a request that never had a sideband.
func TestOf(t *testing.T) {
	side := &Sideband{}
	number := side.Register()
	header := make(http.Header)
	SetHTTP(header, number)
	req := &mcp.CallToolRequest{Extra: &mcp.RequestExtra{Header: header}}
	if got, err := Of(req); got != side || err != nil {
		t.Errorf("a request has the sideband %v, error %v", got, err)
	}
	Forget(number)
	if got, err := Of(req); got != nil || !errors.Is(err, ErrGone) {
		t.Errorf("a request whose sideband is forgotten has %v, error %v, want ErrGone", got, err)
	}
	for _, extra := range []*mcp.RequestExtra{nil, {}, {Header: http.Header{"Accept": {"*/*"}}}} {
		if got, err := Of(&mcp.CallToolRequest{Extra: extra}); got != nil || err != nil {
			t.Errorf("a request without a sideband has %v, error %v", got, err)
		}
	}
}
