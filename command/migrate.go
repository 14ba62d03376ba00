package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
)

func (p *program) migrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Apply or remove the migrations of the database, or list them",
		Long: `Apply or remove the migrations of the database, or list them.

The tables of mcptasks and of River are in one schema; River's migrations run first. serve and
work apply the migrations to Postgres with --migrate, and to a SQLite file always.`,
		Example: p.examples("migrate up --dry-run", "print the SQL, change nothing", "migrate up", "", "migrate status", ""),
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.migrateUp(), p.migrateDown(), p.migrateStatus())
	return cmd
}

func (p *program) migrateUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply the migrations that the database lacks",
		Long: `Apply the migrations that the database lacks. Several processes may do so at the same time: one
migrates, the others wait.`,
		Example: p.examples("migrate up", "", "migrate up --dry-run > up.sql", "the SQL, for a review"),
		Args:    cobra.NoArgs,
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "print the SQL, change nothing")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		url, err := p.url()
		if *dryRun {
			url, err = p.existing()
		}
		if err != nil {
			return err
		}
		return p.withBackend(cmd, url, func(ctx context.Context, backend taskstore.Backend) error {
			plan, err := migrations.Plan(ctx, backend.Migrations())
			switch {
			case err != nil:
				return err
			case *dryRun:
				return printPlan(cmd.OutOrStdout(), plan)
			}
			return migrateUp(ctx, cmd, backend, plan)
		})
	})
	return cmd
}

func printPlan(w io.Writer, plan []migrations.Pending) error {
	if len(plan) == 0 {
		_, err := fmt.Fprintln(w, "-- nothing to do: the schema is that of this release")
		return err
	}
	for _, pending := range plan {
		if _, err := fmt.Fprintf(w, "-- %s\n%s\n", migrationName(pending.Name, pending.Version), pending.SQL); err != nil {
			return err
		}
	}
	return nil
}

func migrationName(name string, version int64) string {
	if version == 0 {
		return name
	}
	return fmt.Sprintf("%s (%d)", name, version)
}

func migrateUp(ctx context.Context, cmd *cobra.Command, backend taskstore.Backend, plan []migrations.Pending) error {
	progress := newProgress(cmd.ErrOrStderr())
	progress.show("applying %d migrations", len(plan))
	err := migrations.Up(ctx, backend.Migrations())
	progress.end()
	if err != nil {
		return err
	}
	for _, pending := range plan {
		fmt.Fprintln(cmd.OutOrStdout(), "applied", migrationName(pending.Name, pending.Version))
	}
	if len(plan) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to do: the schema is that of this release")
	}
	return nil
}

func (p *program) migrateDown() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove the tables of mcptasks and River, with all their rows",
		Long: `Remove the tables of mcptasks and River, with all their rows: every task with its result, steps
and questions, and every job in the schema. Only a backup brings them back. Stop serve and work
first.`,
		Example: p.examples("migrate down", "print what would be lost", "migrate down --yes", "remove it"),
		Args:    cobra.NoArgs,
	}
	yes := cmd.Flags().Bool("yes", false, "remove the tables")
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		url, err := p.existing()
		if err != nil {
			return err
		}
		return p.withBackend(cmd, url, func(ctx context.Context, backend taskstore.Backend) error {
			if !*yes {
				lost, err := whatIsLost(ctx, backend)
				if err != nil {
					return err
				}
				return usagef("%s in %s would be lost for ever, with all tasks that have ended: add --yes to remove them", lost, store.Redact(url))
			}
			if err := migrations.Down(ctx, backend.Migrations()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "removed the tables of mcptasks and River from", store.Redact(url))
			return err
		})
	})
	return cmd
}

func whatIsLost(ctx context.Context, backend taskstore.Backend) (string, error) {
	if err := migrations.Check(ctx, backend.Migrations()); err != nil {
		return "", err
	}
	survey, err := backend.Operator().Survey(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d working tasks and %d that wait for an answer",
		survey.Tasks[mcptasks.StatusWorking], survey.Tasks[mcptasks.StatusInputRequired]), nil
}

// migrationJSON is a migration in the output of migrate status -o json.
type migrationJSON struct {
	Version   int64     `json:"version"`
	Name      string    `json:"name"`
	AppliedAt time.Time `json:"appliedAt,omitzero"`
}

func (p *program) migrateStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "List the migrations, and which have been applied",
		Example: p.examples("migrate status", "", "migrate status -o json", ""),
		Args:    cobra.NoArgs,
	}
	out := printerOf(cmd)
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error {
		url, err := p.existing()
		if err != nil {
			return err
		}
		return p.withBackend(cmd, url, func(ctx context.Context, backend taskstore.Backend) error {
			states, err := migrations.Status(ctx, backend.Migrations())
			if err != nil {
				return err
			}
			if out.json() {
				return printJSON(cmd.OutOrStdout(), migrationsJSON(url, states))
			}
			return printStates(cmd.OutOrStdout(), states)
		})
	})
	return cmd
}

func migrationsJSON(url string, states []migrations.State) any {
	list := []migrationJSON{}
	current := true
	for _, state := range states {
		list = append(list, migrationJSON(state))
		current = current && !state.AppliedAt.IsZero()
	}
	return struct {
		Database   string          `json:"database"`
		Current    bool            `json:"current"`
		Migrations []migrationJSON `json:"migrations"`
	}{store.Redact(url), current, list}
}

func printStates(w io.Writer, states []migrations.State) error {
	t := newTable(w, "VERSION", "MIGRATION", "APPLIED")
	for _, state := range states {
		applied := "pending"
		if !state.AppliedAt.IsZero() {
			applied = state.AppliedAt.Format(time.DateTime)
		}
		t.row(fmt.Sprint(state.Version), state.Name, applied)
	}
	return t.end()
}
