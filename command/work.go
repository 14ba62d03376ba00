package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

const workLong = `Run the tasks of the tools, and serve no clients.

Any number of workers may share a Postgres database. If one dies, the others notice and run its
tasks again. The tasks of a SQLite file are run by one process.

At SIGTERM or SIGINT the process starts no more tasks, and its runs have their grace. Runs that
last longer are stopped, and their tasks run again on another node. A second signal ends the
process at once; that loses no task either.`

func (p *program) work() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Run the tools' tasks, and serve no clients",
		Long:  workLong,
		Example: p.examples(
			"work", "all queues of the tools",
			"work --queue reports --max-workers 4", "few at the same time, of one queue",
			"work --ops-addr :9090 --log-format json", "with health and metrics",
		),
		Args: cobra.NoArgs,
	}
	f := p.nodeFlags(cmd)
	fromEnvironment(cmd.Flags())
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return unlessStopped(cmd, p.runWork(cmd, f)) })
	return cmd
}

func (p *program) runWork(cmd *cobra.Command, f *nodeFlags) error {
	if err := p.needTools("work"); err != nil {
		return err
	}
	if err := p.needHandlers(""); err != nil {
		return err
	}
	process, err := p.start(cmd, f)
	if err != nil {
		return err
	}
	if err := process.Start(cmd.Context()); err != nil {
		return errors.Join(err, process.close())
	}
	process.log.Info("mcptasks: working", "node", process.ID())
	return process.until(cmd.Context(), func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}
