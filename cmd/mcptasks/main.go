// Command mcptasks is for operators: it migrates a database of durable MCP tasks,
// says what is wrong with it, and lists, shows, answers, cancels, retries and deletes
// tasks. It has no tools, so it neither serves nor works: a program of yours does, see
// the package command.
package main

import (
	"github.com/mcptasks/mcptasks/command"
	_ "github.com/mcptasks/mcptasks/store/postgres" // what DATABASE_URL may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

func main() {
	command.Main(nil, &command.Options{Name: "mcptasks"})
}
