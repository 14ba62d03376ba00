package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/runner"
)

// url returns the database's URL, which may hold a password.
func (p *program) url() (string, error) {
	if p.database == "" {
		return "", usagef("no database is given: set DATABASE_URL or --database to postgres://user:password@host/database or sqlite:path")
	}
	return p.database, nil
}

// existing returns the URL of a database that exists. SQLite would create a file for a
// mistyped name and show an empty database.
func (p *program) existing() (string, error) {
	url, err := p.url()
	if err != nil {
		return "", err
	}
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	if !isSQLite {
		return url, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no SQLite file %s: give the file that serve or work uses", path)
	}
	return url, nil
}

// withOperator runs fn with the operator API of the database.
func (p *program) withOperator(cmd *cobra.Command, fn func(context.Context, *runner.Operator) error) error {
	url, err := p.existing()
	if err != nil {
		return err
	}
	config := p.config
	config.Schema, config.PollOnly, config.Migrate = p.schema, p.pollOnly, false
	config.Logger = warnings(cmd)
	operator, err := runner.OpenOperator(cmd.Context(), url, &config)
	if err != nil {
		return err
	}
	defer operator.Close()
	return fn(cmd.Context(), operator)
}

// withBackend runs fn on the database, whatever the version of its schema.
func (p *program) withBackend(cmd *cobra.Command, url string, fn func(context.Context, taskstore.Backend) error) error {
	cfg, err := p.storeConfig(cmd)
	if err != nil {
		return err
	}
	backend, err := taskstore.Open(cmd.Context(), url, cfg, notify.New(cfg.Logger))
	if err != nil {
		return err
	}
	defer backend.Close()
	return fn(cmd.Context(), backend)
}

func (p *program) storeConfig(cmd *cobra.Command) (*config.Config, error) {
	return config.Resolve(config.Config{Logger: warnings(cmd), Schema: p.schema, PollOnly: p.pollOnly})
}
