package taskstore

import (
	"encoding/json"

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
