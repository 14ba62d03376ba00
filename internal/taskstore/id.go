package taskstore

import (
	"crypto/rand"
	"strings"
	"time"
)

// A task's id is when it was made, in 11 digits of base 32, and 125 random bits, in 25
// more: it may be the only secret of a server without authentication. Ids are in the
// order in which tasks are made, so that new ones go to the end of each index that has
// them, not all over it, and the primary key is also the order of lists.
const (
	idDigits  = "0123456789abcdefghijklmnopqrstuv"
	idTime    = 11
	idLength  = 36
	idGreater = "w" // than any id
)

// NewID returns the id of a task that is made then.
func NewID(at time.Time) string {
	id := make([]byte, idLength)
	_, _ = rand.Read(id[idTime:]) // it never fails
	for i := idTime; i < idLength; i++ {
		id[i] = idDigits[id[i]%32]
	}
	copy(id, idFrom(at))
	return string(id)
}

// idFrom returns what the ids of tasks that were made then or later are not less
// than, and those of earlier ones are.
func idFrom(at time.Time) string {
	var digits [idTime]byte
	micros := max(at.UnixMicro(), 0)
	for i := idTime - 1; i >= 0; i-- {
		digits[i] = idDigits[micros%32]
		micros /= 32
	}
	return string(digits[:])
}

// isTaskID says whether the id can be one of ours; any other is unknown without
// asking the database, which would refuse some of them with an error.
func isTaskID(id string) bool {
	return len(id) == idLength && strings.Trim(id, idDigits) == ""
}

// quotable is the id as errors may quote it: nothing if it cannot be one of ours.
func quotable(id string) string {
	if isTaskID(id) {
		return id
	}
	return ""
}
