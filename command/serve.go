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

const serveLong = `Serve the tools to MCP clients, over HTTP or stdio, and work their tasks too.

Over HTTP the endpoint is /mcp, with /healthz and /readyz beside it. The default address is
reached from this machine alone, and requests that name another host are refused there;
before you listen on others, give the program authentication (command.Options.Handler).

At SIGTERM or SIGINT /readyz fails first; requests are answered while the runs have their
grace; runs that outlast it end, and their tasks run again on another node or at the next
start. A second signal ends the process at once, which loses no task either.`

func (p *program) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the tools over HTTP or stdio, and work them",
		Long:  serveLong,
		Example: p.examples(
			"serve --migrate", "on one machine",
			"serve --addr :8080 --no-work --ops-addr :9090", "beside others that work",
			"serve --stdio --database sqlite:tasks.db", "for a client that starts it",
		),
		Args: cobra.NoArgs,
	}
	f := &serveFlags{nodeFlags: p.nodeFlags(cmd)}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	flags.BoolVar(&f.stdio, "stdio", false, "serve one client on standard input and output instead")
	flags.BoolVar(&f.noWork, "no-work", false, "serve only: others work the tasks")
	fromEnvironment(flags)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return unlessTold(cmd, p.runServe(cmd, f)) })
	return cmd
}

func (p *program) runServe(cmd *cobra.Command, f *serveFlags) error {
	if err := p.needTools("serve"); err != nil {
		return err
	}
	if !f.noWork {
		if err := p.needHandlers("; serve them with --no-work"); err != nil {
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
