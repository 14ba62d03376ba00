package store

import (
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
)

// encodeOutcome returns an outcome as the outcome column holds it: the result's
// bytes, or the error.
func encodeOutcome(outcome *mcptasks.Outcome) (json.RawMessage, error) {
	if outcome.Error == nil {
		return validUTF8(outcome.Result), nil
	}
	data, err := json.Marshal(outcome.Error)
	return validUTF8(data), err
}

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
