package taskstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/mcptasks/mcptasks"
)

const (
	maxMessageBytes = 4 << 10  // the status message that a client reads
	maxKeyBytes     = 1 << 10  // owners and keys are in indexes
	maxDetailBytes  = 64 << 10 // one entry of the timeline
)

// storable reports whether every database can store s as text and index it.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0) && len(s) <= maxKeyBytes
}

// validUTF8 mends JSON that a handler has written itself: encoding/json passes a
// json.RawMessage on without looking into its strings.
func validUTF8(data json.RawMessage) json.RawMessage {
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// clean makes text for people storable: it is shortened to limit bytes at a
// character, and what is not text is replaced.
func clean(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// wrap names the operation and the task, unless the error already does.
func wrap(op, taskID string, err error) error {
	var ours *mcptasks.Error
	if errors.As(err, &ours) {
		return err
	}
	return &mcptasks.Error{Op: op, TaskID: taskID, Err: err}
}
