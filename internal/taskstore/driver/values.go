package driver

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
)

// DecodeOutcome is what a Driver makes of the outcome column of a task that ended
// in status.
func DecodeOutcome(status mcptasks.Status, data json.RawMessage, isError bool) (*mcptasks.Outcome, error) {
	if status != mcptasks.StatusFailed {
		return &mcptasks.Outcome{Result: data, IsError: isError}, nil
	}
	var e jsonrpc.Error
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("the stored error cannot be read: %w", err)
	}
	return &mcptasks.Outcome{Error: &e}, nil
}

// Unstorable is the ErrInvalid of a Driver for what the database refuses to hold,
// whose own words are for the log.
func Unstorable(cause error) error { return &unstorable{cause} }

type unstorable struct{ cause error }

func (u *unstorable) Error() string {
	return mcptasks.ErrInvalid.Error() + ": the database cannot hold this"
}

func (u *unstorable) Unwrap() []error { return []error{mcptasks.ErrInvalid, u.cause} }

// Queues returns the rows' queues, each once.
func Queues(rows []*Row) []string {
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Queue
	}
	slices.Sort(names)
	return slices.Compact(names)
}
