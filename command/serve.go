package command

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/mcpserver"
)

type serveFlags struct {
	*nodeFlags
	addr   string
	stdio  bool
	noWork bool
}

const serveLong = `Serve the tools to MCP clients, over HTTP or stdio, and run their tasks.

Over HTTP the endpoint is /mcp, with /healthz and /readyz beside it. The default address can
only be reached from this machine, and requests that name another host are rejected. Before you
listen on another address, give the program authentication (command.Options.Handler).

At SIGTERM or SIGINT /readyz fails first. Requests are answered while the runs have their grace.
Runs that last longer are stopped, and their tasks run again on another node or at the next
start. A second signal ends the process at once; that loses no task either.`

func (p *program) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the tools over HTTP or stdio, and run their tasks",
		Long:  serveLong,
		Example: p.examples(
			"serve --migrate", "on one machine",
			"serve --addr :8080 --no-work --ops-addr :9090", "beside workers",
			"serve --stdio --database sqlite:tasks.db", "for a client that starts the program",
		),
		Args: cobra.NoArgs,
	}
	f := &serveFlags{nodeFlags: p.nodeFlags(cmd)}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "address to listen on; port 0 is any free port")
	flags.BoolVar(&f.stdio, "stdio", false, "serve one client on standard input and output instead")
	flags.BoolVar(&f.noWork, "no-work", false, "only serve; other processes run the tasks")
	fromEnvironment(flags)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return unlessStopped(cmd, p.runServe(cmd, f)) })
	return cmd
}

func (p *program) runServe(cmd *cobra.Command, f *serveFlags) error {
	if err := p.needTools("serve"); err != nil {
		return err
	}
	if !f.noWork {
		if err := p.needHandlers("; serve the tools with --no-work"); err != nil {
			return err
		}
	}
	process, err := p.start(cmd, f.nodeFlags)
	if err != nil {
		return err
	}
	server := p.server(process)
	var front func(context.Context) error
	if f.stdio {
		front = func(ctx context.Context) error { return serveStdio(ctx, server, cmd.InOrStdin(), cmd.OutOrStdout()) }
	} else if front, err = p.listen(cmd, f.addr, server, process); err != nil {
		return errors.Join(err, process.close())
	}
	if !f.noWork {
		if err := process.Start(cmd.Context()); err != nil {
			return errors.Join(err, process.close())
		}
	}
	process.log.Info("mcptasks: serving", "node", process.ID(), "works", !f.noWork)
	return process.until(cmd.Context(), front)
}

// server returns the program's MCP server with the tools mounted.
func (p *program) server(process *process) *mcp.Server {
	var server *mcp.Server
	if p.options.Server != nil {
		server = p.options.Server()
	} else {
		server = mcp.NewServer(&mcp.Implementation{Name: p.options.Name, Version: p.options.Version}, &mcp.ServerOptions{Logger: process.log})
	}
	var mount mcpserver.Options
	if p.options.Mount != nil {
		mount = *p.options.Mount
	}
	if mount.Logger == nil {
		mount.Logger = process.log
	}
	if mount.TracerProvider == nil {
		mount.TracerProvider = process.config.TracerProvider
	}
	mcpserver.Mount(server, p.tools, process.Node, &mount)
	return server
}
