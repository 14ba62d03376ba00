// Package command makes a program of your tools: one binary that serves them, works
// them, migrates their database, and shows an operator what goes on there.
//
//	package main
//
//	import (
//		"github.com/mcptasks/mcptasks"
//		"github.com/mcptasks/mcptasks/command"
//		_ "github.com/mcptasks/mcptasks/store/postgres"
//	)
//
//	func main() {
//		tools := mcptasks.NewTools()
//		mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, report, nil)
//		command.Main(tools, &command.Options{Name: "reports", Version: "v1.2.0"})
//	}
//
// The program says what it can do with --help. It imports the driver of each
// database that it shall open; this package imports none.
package command

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
)

// Options describe the program. Nil works.
type Options struct {
	// Name is the program's name, in its help and to MCP clients. Defaults to the
	// name of the executable.
	Name string

	// Version is the program's version. Defaults to the main module's, as the Go
	// tool recorded it.
	Version string

	// Server returns the MCP server on which the tools are mounted: with your
	// instructions, resources, middleware. It is called once. Defaults to a server
	// of the name and version that has the tools alone.
	Server func() *mcp.Server

	// Handler wraps the MCP endpoint: this is where authentication goes, auth's
	// RequireBearerToken for instance. It sees neither /healthz nor /readyz.
	// Defaults to no authentication.
	Handler func(http.Handler) http.Handler

	// Mount is how the tools are mounted. Its Logger and TracerProvider default to
	// those of Config.
	Mount *mcpserver.Options

	// Config is how nodes are made. Where there is a flag for a field, the field is
	// the flag's default.
	Config *runner.Config
}

// program is what the commands of one root share.
type program struct {
	tools   *mcptasks.Tools // nil in an operator's binary
	options Options
	config  runner.Config // a copy

	database string // flags of all commands
	schema   string
	pollOnly bool

	setLogger func(*slog.Logger) // makes a logger the process's own
}

// New returns the root of the commands, for tests and for programs with commands
// of their own; most call [Main]. Execute it with a context whose end is the
// process's notice to leave: serve and work then drain. It reads arguments, input
// and output from the command alone, and ends no process: hand its error to
// [ExitCode]. Without tools, serve and work refuse.
func New(tools *mcptasks.Tools, options *Options) *cobra.Command {
	return newProgram(tools, options).root()
}

func newProgram(tools *mcptasks.Tools, options *Options) *program {
	p := &program{tools: tools, setLogger: func(*slog.Logger) {}}
	if options != nil {
		p.options = *options
	}
	if p.options.Config != nil {
		p.config = *p.options.Config
	}
	p.options.Name = cmp.Or(p.options.Name, filepath.Base(os.Args[0]))
	p.options.Version = cmp.Or(p.options.Version, buildInfo().Main.Version, "unknown")
	return p
}

const rootLong = `
Settings may be given in the environment: a flag's help names its variable. A flag
wins over its variable. Name the database in DATABASE_URL rather than in a flag, which
every user of the machine can read:

  postgres://user:password@host:5432/database    sqlite:path/to/file

Exit codes:
  0  done
  1  it failed: the error says why
  2  the command line or its input is wrong
  3  there is no such task
  4  the task's state does not allow it: it has ended, or has not
  5  doctor found faults
  130, 143  a second SIGINT, or SIGTERM, ended it`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           p.options.Name,
		Short:         "Durable MCP tasks: serve, work, and look after them",
		Version:       version(p.options.Name, p.options.Version, buildInfo()),
		SilenceErrors: true, // who executes it prints them
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}")
	root.Long = root.Short + ".\n" + rootLong
	root.Example = p.examples(
		"serve --migrate", "serve the tools and work them, on one machine",
		"work --queue reports", "work the tasks of one queue",
		"doctor", "say what is wrong, and what to do about it",
		"tasks list --status failed", "",
	)
	flags := root.PersistentFlags()
	flags.StringVar(&p.database, "database", "", "where the tasks are: postgres://… or sqlite:path")
	flags.StringVar(&p.schema, "schema", cmp.Or(p.config.Schema, "mcptasks"), "Postgres schema of River's tables and ours")
	flags.BoolVar(&p.pollOnly, "poll-only", p.config.PollOnly, "hold no connection that listens: for PgBouncer in transaction mode")
	fromEnvironment(flags)
	root.AddCommand(p.serve(), p.work(), p.migrate(), p.doctor(), p.tasks(), p.nodes())
	return root
}

// examples renders lines of a command's help: arguments, and what they do.
func (p *program) examples(pairs ...string) string {
	var text string
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			text += "\n"
		}
		line := "  " + p.options.Name + " " + pairs[i]
		if pairs[i+1] != "" {
			line = fmt.Sprintf("%-48s # %s", line, pairs[i+1])
		}
		text += line
	}
	return text
}
