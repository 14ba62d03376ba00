package store

import (
	"net/url"
	"slices"
	"strings"

	"github.com/mcptasks/mcptasks/internal/names"
)

// unreadable stands for a URL of which nobody can say where its password ends.
const unreadable = "(unreadable)"

// Redact returns the database URL without its password, wherever that is: before
// the host, among the parameters, or in a string of keywords and values. It is for
// logs and for people. Of what cannot be read it returns no more than the scheme.
func Redact(database string) string {
	switch scheme, rest, _ := strings.Cut(database, ":"); {
	case scheme == "sqlite":
		return database // a path
	case names.IsScheme(scheme) && strings.HasPrefix(rest, "//"):
		return redactURL(scheme, database)
	case strings.Contains(database, "="):
		return redactKeywords(database)
	default:
		return unreadable
	}
}

func redactURL(scheme, database string) string {
	u, err := url.Parse(database)
	// An @ behind the host: the password may have a / or ? or # in it, and reach
	// until there.
	if err != nil || strings.Contains(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@") {
		return scheme + "://" + unreadable
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	pairs := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return err != nil || isSecret(name)
	})
	u.RawQuery = strings.Join(pairs, "&")
	u.Fragment, u.RawFragment = "", "" // no database has one
	return u.String()
}

func isSecret(name string) bool { return strings.Contains(strings.ToLower(name), "password") }

// redactKeywords reads what libpq calls a connection string: name = value, the value
// in single quotes if it has spaces, a backslash before a quote or a backslash.
func redactKeywords(text string) string {
	var kept []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !ok || strings.ContainsAny(name, " \t\r\n'\\") {
			return unreadable
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
		n := valueLength(rest)
		if n < 0 {
			return unreadable
		}
		if !isSecret(name) {
			kept = append(kept, name+"="+rest[:n])
		}
		text = rest[n:]
	}
	return strings.Join(kept, " ")
}

// valueLength returns how long the value is that text begins with, -1 if its quote
// does not end.
func valueLength(text string) int {
	quoted := strings.HasPrefix(text, "'")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case quoted && c == '\'' && i > 0:
			return i + 1
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return i
		}
	}
	if quoted {
		return -1
	}
	return len(text)
}
