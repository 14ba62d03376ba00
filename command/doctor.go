package command

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/command/internal/doctor"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/store"
)

const doctorLong = `Check the database, the nodes and the tasks, and print a remedy for each fault.

It changes nothing. It also works without a schema, and if the database does not answer.
The exit code is 5 if there are faults.`

func (p *program) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Report faults and their remedies",
		Long:  doctorLong,
		Example: p.examples(
			"doctor", "",
			"doctor --max-wait 10s -o json", "for a strict monitor",
		),
		Args: cobra.NoArgs,
	}
	out := printerOf(cmd)
	examined := doctor.Config{}
	flags := cmd.Flags()
	flags.DurationVar(&examined.Timeout, "timeout", 10*time.Second, "how long to wait for the database to answer")
	flags.DurationVar(&examined.MaxSkew, "max-skew", time.Second, "largest difference between this machine's clock and the database's")
	flags.IntVar(&examined.MaxConnections, "max-connections-percent", 80, "largest share of the server's connections that may be in use, in percent")
	flags.DurationVar(&examined.Lease, "lease", p.lease(), "how long after its last heartbeat a node counts as dead: three of its heartbeat intervals")
	flags.IntVar(&examined.MaxBacklog, "max-backlog", 10_000, "largest number of waiting jobs in one queue")
	flags.DurationVar(&examined.MaxWait, "max-wait", time.Minute, "how long the oldest job may wait for a worker")
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

// lease returns the lease of this program's nodes.
func (p *program) lease() time.Duration {
	cfg := config.Default()
	cfg.HeartbeatInterval = cmp.Or(p.config.HeartbeatInterval, cfg.HeartbeatInterval)
	return cfg.Lease()
}

// findingJSON is a finding in the output of doctor -o json.
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

// shownItems limits the items of a finding in text; JSON has all of them.
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
