// Package names knows which names River and Postgres accept. It knows neither of them
// otherwise, and nothing of tasks.
package names

import (
	"regexp"
	"strings"
)

// QueueRule says in words what [IsQueue] accepts.
const QueueRule = "lower-case letters and digits, in parts that are joined by one _ or -, at most 64 characters"

var queue = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// IsQueue reports whether River accepts the name of a queue when a node starts.
func IsQueue(name string) bool { return len(name) <= 64 && queue.MatchString(name) }

// SchemaRule says in words what [IsSchema] accepts.
const SchemaRule = "lower-case letters, digits and _, at most 40 characters, beginning with a letter, and not with pg_"

// Goose does not quote the name, so it must be one that needs no quotes. River prefixes
// it to the names of its LISTEN topics, which have at most 63 bytes. Postgres keeps the
// prefix pg_ for itself.
var schema = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// IsSchema reports whether the name can be a Postgres schema that holds the tables of
// River and of this module.
func IsSchema(name string) bool { return schema.MatchString(name) && !strings.HasPrefix(name, "pg_") }

// IsScheme reports whether the text before the first colon of a URL can be its scheme. It
// may also be a password.
func IsScheme(text string) bool {
	for i, c := range text {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	return text != ""
}
