package runner_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

// TestInvalidConfig gives a value that is not allowed to each field that has such
// values. It must be rejected before a database is opened.
func TestInvalidConfig(t *testing.T) {
	for field, config := range map[string]runner.Config{
		"Schema":            {Schema: "a-b"},
		"MaxWorkers":        {MaxWorkers: -1},
		"Queues[0]":         {Queues: []string{"a b"}},
		"Grace":             {Grace: -time.Second},
		"MaxResultBytes":    {MaxResultBytes: -1},
		"MinRetention":      {MinRetention: -time.Second},
		"HeartbeatInterval": {HeartbeatInterval: time.Microsecond},
		"SweepInterval":     {SweepInterval: -time.Second},
		"JobRetention":      {JobRetention: -time.Second},
		"MaxRecoveries":     {MaxRecoveries: -1},
		"MaxArgumentBytes":  {MaxArgumentBytes: -1},
		"MaxSteps":          {MaxSteps: -1},
		"MaxQuestions":      {MaxQuestions: -1},
		"MaxLiveTasks":      {MaxLiveTasks: -1},
		"MaxBacklog":        {MaxBacklog: -1},
		"FetchCooldown":     {FetchCooldown: -1},
		"FetchPollInterval": {FetchPollInterval: -1},
	} {
		for entry, open := range entries {
			err := open(t, mcptasks.NewTools(), &config)
			if !errors.Is(err, mcptasks.ErrInvalid) || !strings.Contains(err.Error(), "Config."+field+" is ") || !strings.Contains(err.Error(), "it must be ") {
				t.Errorf("%s with an invalid %s: %v", entry, field, err)
			}
		}
	}
}

func TestNilTools(t *testing.T) {
	for entry, open := range entries {
		if entry == "OpenOperator" { // has none
			continue
		}
		if err := open(t, nil, nil); !errors.Is(err, mcptasks.ErrInvalid) || !strings.Contains(err.Error(), "tools are nil") {
			t.Errorf("%s without tools: %v", entry, err)
		}
	}
}

// entries are the functions that return a node, called with databases that do not exist: a
// test fails if one of them is opened.
var entries = map[string]func(*testing.T, *mcptasks.Tools, *runner.Config) error{
	"Open": func(t *testing.T, tools *mcptasks.Tools, config *runner.Config) error {
		_, err := runner.Open(t.Context(), "sqlite:/no/such/directory/tasks.db", tools, config)
		return err
	},
	"OpenOperator": func(t *testing.T, _ *mcptasks.Tools, config *runner.Config) error {
		_, err := runner.OpenOperator(t.Context(), "sqlite:/no/such/directory/tasks.db", config)
		return err
	},
	"New": func(t *testing.T, tools *mcptasks.Tools, config *runner.Config) error {
		_, err := runner.New[*sql.Tx](t.Context(), noDriver{}, tools, config)
		return err
	},
}

// noDriver panics when it is used.
type noDriver struct{ runner.Driver[*sql.Tx] }
