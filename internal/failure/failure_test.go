package failure_test

import (
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
)

func TestTimedOut(t *testing.T) {
	outcome := failure.TimedOut(90 * time.Second)
	if outcome.Status() != mcptasks.StatusFailed || outcome.Error.Code != jsonrpc.CodeInternalError {
		t.Errorf("outcome %+v, want failed with an internal error", outcome)
	}
	if got := outcome.Error.Message; got != "The tool ran longer than its limit of 1m30s." {
		t.Errorf("the client reads %q", got)
	}
}
