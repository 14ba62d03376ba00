package names_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/mcptasks/mcptasks/internal/names"
)

type work struct {
	river.WorkerDefaults[args]
}

func (work) Work(context.Context, *river.Job[args]) error { return nil }

type args struct{}

func (args) Kind() string { return "args" }

// River must accept each queue and each schema that we accept: it says no only when a
// node starts.
func TestRiverAgrees(t *testing.T) {
	accepts := func(change func(*river.Config)) error {
		workers := river.NewWorkers()
		river.AddWorker(workers, work{})
		config := &river.Config{Workers: workers, Queues: map[string]river.QueueConfig{"default": {MaxWorkers: 1}}}
		change(config)
		_, err := river.NewClient[*sql.Tx](riversqlite.New(new(sql.DB)), config)
		return err
	}
	for name, want := range map[string]bool{
		"default": true, "a": true, "0": true, "slow-jobs_2": true, strings.Repeat("a", 64): true,
		"": false, "Slow": false, "a b": false, "-a": false, "a-": false, "a--b": false, "a_-b": false, "é": false, "a\n": false,
		strings.Repeat("a", 65): false,
	} {
		err := accepts(func(c *river.Config) { c.Queues[name] = river.QueueConfig{MaxWorkers: 1} })
		if names.IsQueue(name) != want || want != (err == nil) {
			t.Errorf("the queue %q: ours %t, River's %v; want %t", name, names.IsQueue(name), err, want)
		}
	}
	for name, want := range map[string]bool{
		"mcptasks": true, "public": true, "a_1": true, strings.Repeat("a", 40): true,
		"": false, "Tasks": false, "1a": false, "a-b": false, `a"b`: false, "pg_a": false, "a\n": false, strings.Repeat("a", 41): false,
	} {
		if names.IsSchema(name) != want {
			t.Errorf("the schema %q: %t, want %t", name, names.IsSchema(name), want)
		}
		if err := accepts(func(c *river.Config) { c.Schema = name }); want && err != nil {
			t.Errorf("the schema %q: River's %v", name, err)
		}
	}
}
