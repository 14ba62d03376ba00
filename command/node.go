package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/ops"
	"github.com/mcptasks/mcptasks/runner"
)

// nodeFlags are the flags that serve and work share.
type nodeFlags struct {
	migrate    bool
	maxWorkers int
	queues     []string
	grace      time.Duration
	opsAddr    string
	audit      bool
	logging    loggingFlags
}

func (p *program) nodeFlags(cmd *cobra.Command) *nodeFlags {
	f := &nodeFlags{}
	flags := cmd.Flags()
	flags.BoolVar(&f.migrate, "migrate", p.config.Migrate, "apply the migrations first; several processes may do so at the same time")
	flags.IntVar(&f.maxWorkers, "max-workers", cmp.Or(p.config.MaxWorkers, 100), "how many tasks run at the same time, in each queue")
	flags.StringSliceVar(&f.queues, "queue", p.config.Queues, "run only the tasks of this queue; may be repeated (default all)")
	flags.DurationVar(&f.grace, "grace", cmp.Or(p.config.Grace, 30*time.Second), "how long runs may go on after SIGTERM")
	flags.StringVar(&f.opsAddr, "ops-addr", "", "address of /healthz, /readyz and /metrics, such as :9090 (default none)")
	flags.BoolVar(&f.audit, "audit", false, "log who created, answered or cancelled which task, and who read its result")
	f.logging.add(flags)
	return f
}

// process is a node with its log, metrics and probes.
type process struct {
	*runner.Node
	log      *slog.Logger
	config   runner.Config
	exporter *ops.Exporter // nil without metrics
	ops      *ops.Server   // nil without --ops-addr
}

// start opens the node, which does not run tasks yet.
func (p *program) start(cmd *cobra.Command, f *nodeFlags) (_ *process, err error) {
	url, err := p.url()
	if err != nil {
		return nil, err
	}
	config, err := p.nodeConfig(cmd, f)
	if err != nil {
		return nil, err
	}
	started := &process{log: config.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, started.close())
		}
	}()
	if f.opsAddr != "" && config.MeterProvider == nil {
		if started.exporter, err = ops.Metrics(); err != nil {
			return nil, err
		}
		config.MeterProvider = started.exporter.MeterProvider()
	}
	started.config = config
	if started.Node, err = runner.Open(cmd.Context(), url, p.tools, &config); err != nil {
		return nil, err
	}
	if f.opsAddr != "" {
		if started.ops, err = ops.Listen(cmd.Context(), f.opsAddr, started.probes(true)); err != nil {
			return nil, err
		}
		started.log.Info("mcptasks: serving health and metrics", "addr", started.ops.Addr())
	}
	return started, nil
}

// nodeConfig returns the program's Config with the values of the flags.
func (p *program) nodeConfig(cmd *cobra.Command, f *nodeFlags) (config runner.Config, err error) {
	if f.maxWorkers < 1 || f.grace <= 0 {
		return config, usagef("--max-workers must be at least 1, and --grace more than 0")
	}
	log, err := f.logging.logger(cmd.ErrOrStderr())
	if err != nil {
		return config, err
	}
	config = p.config
	config.Schema, config.PollOnly = p.schema, p.pollOnly
	config.Migrate, config.MaxWorkers, config.Queues, config.Grace = f.migrate, f.maxWorkers, f.queues, f.grace
	if config.Logger == nil {
		config.Logger = log
		p.setLogger(log)
	}
	if f.audit && config.Audit == nil {
		config.Audit, err = loggingFlags{format: f.logging.format, level: "info"}.logger(cmd.ErrOrStderr())
	}
	return config, err
}

// probes returns the handler of /healthz and /readyz, and of /metrics if metrics is true.
func (s *process) probes(metrics bool) http.Handler {
	if !metrics {
		return ops.Handler(s.Node, nil)
	}
	return ops.Handler(s.Node, s.exporter)
}

// until runs front until front returns or ctx ends, and closes the node. When ctx ends,
// the node drains first while front goes on: /readyz fails, requests are still answered,
// and clients see how the last runs end. Then front's own context ends.
func (s *process) until(ctx context.Context, front func(context.Context) error) error {
	fronting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- front(fronting) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		s.log.Info("mcptasks: draining; a second signal ends the process at once", "node", s.ID(), "grace", s.config.Grace)
		stopped := s.Stop(context.WithoutCancel(ctx))
		end()
		err = errors.Join(stopped, <-ended)
	}
	err = errors.Join(err, s.close())
	if err == nil {
		s.log.Info("mcptasks: drained", "node", s.ID())
	}
	return err
}

// unlessStopped returns the error of a process, or nil if a signal stopped it while it was
// starting.
func unlessStopped(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// close drains the node before it closes the probes, so that they report to the end that
// the node is not ready.
func (s *process) close() (err error) {
	if s.Node != nil {
		err = s.Close()
	}
	if s.ops != nil {
		err = errors.Join(err, s.ops.Close())
	}
	if s.exporter != nil {
		err = errors.Join(err, s.exporter.Close())
	}
	return err
}

const refusal = `this binary has no tools, so it cannot %s: it is for operators. Write a program of your own:

  func main() {
  	tools := mcptasks.NewTools()
  	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, report, nil)
  	command.Main(tools, nil) // github.com/mcptasks/mcptasks/command
  }

and import a driver, for instance _ "github.com/mcptasks/mcptasks/store/postgres"`

// needTools returns an error if the program has no tools.
func (p *program) needTools(do string) error {
	if p.tools == nil {
		return usagef(refusal, do)
	}
	return nil
}

// needHandlers returns an error if no tool has a handler in this program.
func (p *program) needHandlers(hint string) error {
	for _, tool := range p.tools.All() {
		if tool.HasHandler && tool.Options.TaskSupport != mcptasks.TaskForbidden {
			return nil
		}
	}
	return fmt.Errorf("there are no tasks to run: no tool has a handler in this program%s", hint)
}
