// Package command makes a program of your tools: one binary that serves them, runs
// their tasks, migrates their database, and shows an operator the tasks.
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
// The program's --help lists its commands. The program imports the driver of each
// database that it opens; this package imports none.
//
// The package knows the command line: flags, environment, output, exit codes, signals.
// It does not know how tasks are stored, run or served: packages runner and mcpserver
// do.
//
// The package is stable from v1.0.0 on, with its flags, exit codes and JSON output.
// Before that, a minor version may change them; the CHANGELOG says how. Text for people
// may change in any version.
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

	// Version is the program's version. Defaults to the main module's version in the
	// binary's build information.
	Version string

	// Server returns the MCP server on which the tools are mounted. It may have
	// instructions, resources and middleware. It is called once. Defaults to a server
	// with Name and Version and nothing but the tools.
	Server func() *mcp.Server

	// Handler wraps the MCP endpoint. Authentication goes here, for instance
	// RequireBearerToken of the SDK's package auth. It does not wrap /healthz and
	// /readyz. Defaults to no authentication.
	Handler func(http.Handler) http.Handler

	// Mount has the options of [mcpserver.Mount]. Its Logger and TracerProvider default
	// to those of Config.
	Mount *mcpserver.Options

	// Config is the configuration of the node. A field for which there is a flag is the
	// flag's default.
	Config *runner.Config
}

// program holds what the commands of one root share.
type program struct {
	tools   *mcptasks.Tools // nil in an operator's binary
	options Options
	config  runner.Config // a copy

	database string // flags of every command
	schema   string
	pollOnly bool

	setLogger func(*slog.Logger) // sets the process's default logger
}

// New returns the root command, for tests and for programs with commands of their own.
// Most programs call [Main]. Execute the root with a context that ends when the process
// shall stop: serve and work then drain. The commands use the root's arguments, input
// and output, and do not exit the process: pass the error to [ExitCode]. If tools is
// nil, serve and work return an error.
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
Settings may come from the environment: a flag's help names its variable. A flag wins over
its variable. Set the database in DATABASE_URL, not in a flag: every user of the machine can
read the flags of a process.

  postgres://user:password@host:5432/database    sqlite:path/to/file

Exit codes:
  0  done
  1  the command failed: the error says why
  2  the command line or its input is wrong
  3  there is no such task
  4  the task's state does not allow it, for instance because the task has ended
  5  doctor found faults
  130, 143  a second SIGINT or SIGTERM ended the process`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           p.options.Name,
		Short:         "Serve tools as durable MCP tasks, run the tasks, and manage them",
		Version:       version(p.options.Name, p.options.Version, buildInfo()),
		SilenceErrors: true, // Main prints them
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}")
	root.Long = root.Short + ".\n" + rootLong
	root.Example = p.examples(
		"serve --migrate", "serve the tools and run their tasks",
		"work --queue reports", "run the tasks of one queue",
		"doctor", "report faults and their remedies",
		"tasks list --status failed", "",
	)
	flags := root.PersistentFlags()
	flags.StringVar(&p.database, "database", "", "URL of the database: postgres://… or sqlite:path")
	flags.StringVar(&p.schema, "schema", cmp.Or(p.config.Schema, "mcptasks"), "Postgres schema of the tables of mcptasks and River")
	flags.BoolVar(&p.pollOnly, "poll-only", p.config.PollOnly, "poll instead of listening for notifications: for PgBouncer in transaction mode")
	fromEnvironment(flags)
	root.AddCommand(p.serve(), p.work(), p.migrate(), p.doctor(), p.tasks(), p.nodes())
	return root
}

// examples returns the examples of a command's help. pairs are arguments and what they
// do.
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
