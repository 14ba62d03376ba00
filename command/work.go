package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

const workLong = `Work the tasks of the tools, and serve nobody.

Any number of workers may share a Postgres; one that dies is found out by the others,
which run its tasks again. A SQLite file is worked by one process.

At SIGTERM or SIGINT no more tasks are taken, and runs have their grace; those that outlast
it end, and their tasks run again elsewhere. A second signal ends the process at once, which
loses no task either.`

func (p *program) work() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Work the tools' tasks, and serve nobody",
		Long:  workLong,
		Example: p.examples(
			"work", "every queue of the tools",
			"work --queue reports --max-workers 4", "few at once, of one queue",
			"work --ops-addr :9090 --log-format json", "with health and metrics",
		),
		Args: cobra.NoArgs,
	}
	f := p.nodeFlags(cmd)
	fromEnvironment(cmd.Flags())
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return unlessTold(cmd, p.runWork(cmd, f)) })
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
