// Command mcptasks is for operators: it migrates a database of durable MCP tasks,
// reports its faults, and lists, shows, answers, cancels, retries and deletes tasks. It
// has no tools, so it neither serves nor works. A program of yours does: see the
// package command. Its commands, flags, exit codes and JSON output are as stable as
// those of that package.
package main

import (
	"github.com/mcptasks/mcptasks/command"
	_ "github.com/mcptasks/mcptasks/store/postgres" // the databases that DATABASE_URL may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

func main() {
	command.Main(nil, &command.Options{Name: "mcptasks"})
}
