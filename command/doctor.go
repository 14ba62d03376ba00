package command

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/command/doctor"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/store"
)

const doctorLong = `Look at the database, the nodes and the tasks, and say for each fault what to do.

It changes nothing, and works where nothing else does: without a schema, or without a database.
Exits with 5 if there are faults.`

func (p *program) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong, and what to do about it",
		Long:  doctorLong,
		Example: p.examples(
			"doctor", "",
			"doctor --max-wait 10s -o json", "for a monitor that is strict",
		),
		Args: cobra.NoArgs,
	}
	out := printerOf(cmd)
	examined := doctor.Config{}
	flags := cmd.Flags()
	flags.DurationVar(&examined.Timeout, "timeout", 10*time.Second, "for the database to answer")
	flags.DurationVar(&examined.MaxSkew, "max-skew", time.Second, "of this machine's clock from the database's")
	flags.IntVar(&examined.MaxConnections, "max-connections-percent", 80, "of the server's connections in use")
	flags.DurationVar(&examined.Lease, "lease", p.lease(), "silence after which a node counts as dead: three of its heartbeat intervals")
	flags.IntVar(&examined.MaxBacklog, "max-backlog", 10_000, "jobs that wait in one queue")
	flags.DurationVar(&examined.MaxWait, "max-wait", time.Minute, "of the oldest job for a worker")
	fromEnvironment(flags)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		url, err := p.existing()
		if err != nil {
			return err
		}
		examined.URL, examined.Program = url, p.options.Name
		if examined.Store, err = p.storeConfig(cmd); err != nil {
			return err
		}
		findings := doctor.Examine(cmd.Context(), examined)
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if out.json() {
			err = printJSON(cmd.OutOrStdout(), findingsJSON(url, findings))
		} else {
			err = printFindings(cmd.OutOrStdout(), findings)
		}
		if err == nil && doctor.Faults(findings) > 0 {
			err = fmt.Errorf("%w: %d", errFaults, doctor.Faults(findings))
		}
		return err
	})
	return cmd
}

// lease is the lease of the nodes that this program makes.
func (p *program) lease() time.Duration {
	cfg := config.Default()
	cfg.HeartbeatInterval = cmp.Or(p.config.HeartbeatInterval, cfg.HeartbeatInterval)
	return cfg.Lease()
}

// findingJSON is a finding as doctor -o json tells of it.
type findingJSON struct {
	Check   string   `json:"check"`
	Status  string   `json:"status"`
	Summary string   `json:"summary"`
	Remedy  string   `json:"remedy,omitempty"`
	Items   []string `json:"items,omitempty"`
}

func findingsJSON(url string, findings []doctor.Finding) any {
	list := make([]findingJSON, len(findings))
	for i, finding := range findings {
		list[i] = findingJSON(finding)
	}
	return struct {
		Database string        `json:"database"`
		Healthy  bool          `json:"healthy"`
		Checks   []findingJSON `json:"checks"`
	}{store.Redact(url), doctor.Faults(findings) == 0, list}
}

// shownItems is how many things concerned a person is shown; JSON has them all.
const shownItems = 10

func printFindings(w io.Writer, findings []doctor.Finding) error {
	for _, finding := range findings {
		sign := finding.Status
		if sign == doctor.Fault {
			sign = "FAULT"
		}
		if _, err := fmt.Fprintf(w, "%-8s %-17s %s\n", sign, finding.Check, oneLine(finding.Summary)); err != nil {
			return err
		}
		for i, item := range finding.Items {
			if i == shownItems {
				fmt.Fprintf(w, "%27s… and %d more\n", "", len(finding.Items)-i)
				break
			}
			fmt.Fprintf(w, "%27s%s\n", "", oneLine(item))
		}
		if finding.Remedy != "" {
			fmt.Fprintf(w, "%27s→ %s\n", "", oneLine(finding.Remedy))
		}
	}
	return nil
}
