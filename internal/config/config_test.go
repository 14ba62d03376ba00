package config_test

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks/internal/config"
)

func TestDefaults(t *testing.T) {
	got, err := config.Resolve(config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Schema: "mcptasks", Logger: slog.Default(), MaxWorkers: 100, Grace: 30 * time.Second,
		MaxResultBytes: 8 << 20, MinRetention: 10 * time.Minute, HeartbeatInterval: 5 * time.Second,
		SweepInterval: 5 * time.Second, JobRetention: time.Hour, MaxRecoveries: 3, MaxArgumentBytes: 4 << 20,
		MaxSteps: 10_000, MaxQuestions: 1_000, FetchCooldown: time.Millisecond, FetchPollInterval: 200 * time.Millisecond,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the defaults are\n%+v, want\n%+v", got, want)
	}
	if !reflect.DeepEqual(config.Default(), want) {
		t.Errorf("Default returns\n%+v, want\n%+v", config.Default(), want)
	}
	if lease := got.Lease(); lease != 15*time.Second {
		t.Errorf("the lease is %s, want three heartbeat intervals", lease)
	}
}

func TestFetchPollInterval(t *testing.T) {
	for _, test := range []struct {
		given config.Config
		want  time.Duration
	}{
		{config.Config{PollOnly: true}, 100 * time.Millisecond},
		{config.Config{FetchCooldown: time.Second}, time.Second},
		{config.Config{FetchPollInterval: 7 * time.Millisecond}, 7 * time.Millisecond},
	} {
		got, err := config.Resolve(test.given)
		if err != nil || got.FetchPollInterval != test.want {
			t.Errorf("%+v: %v, %v; want %s", test.given, got, err, test.want)
		}
	}
}

// The caller may change what it has given afterwards.
func TestCopies(t *testing.T) {
	queues := []string{"a"}
	got, err := config.Resolve(config.Config{Queues: queues})
	if err != nil {
		t.Fatal(err)
	}
	queues[0] = "b"
	if got.Queues[0] != "a" {
		t.Error("the queues are the caller's")
	}
}

// Every field that can have a value that is not allowed, and no other, is rejected by
// its name.
func TestRejects(t *testing.T) {
	tested := make(map[string]bool)
	for _, test := range []struct {
		field, text string
		given       config.Config
	}{
		{"Schema", `"Tasks"`, config.Config{Schema: "Tasks"}},
		{"Schema", `"pg_tasks"`, config.Config{Schema: "pg_tasks"}},
		{"Schema", "at most 40", config.Config{Schema: strings.Repeat("a", 41)}},
		{"MaxWorkers", "-1", config.Config{MaxWorkers: -1}},
		{"MaxWorkers", "10001; it must be at least 1 and at most 10000", config.Config{MaxWorkers: 10_001}},
		{"Queues", `Queues[1] is "Slow"`, config.Config{Queues: []string{"fast", "Slow"}}},
		{"Queues", `Queues[0] is ""`, config.Config{Queues: []string{""}}},
		{"Grace", "-1s", config.Config{Grace: -time.Second}},
		{"MaxResultBytes", "is -1; it must be at least 1", config.Config{MaxResultBytes: -1}},
		{"MinRetention", "-1ns", config.Config{MinRetention: -1}},
		{"HeartbeatInterval", "-1s", config.Config{HeartbeatInterval: -time.Second}},
		{"HeartbeatInterval", "999µs; it must be at least 1ms", config.Config{HeartbeatInterval: 999 * time.Microsecond}},
		{"HeartbeatInterval", "at most 720h", config.Config{HeartbeatInterval: 1<<63 - 1}},
		{"SweepInterval", "-1s", config.Config{SweepInterval: -time.Second}},
		{"SweepInterval", "1ns", config.Config{SweepInterval: 1}},
		{"JobRetention", "-1s", config.Config{JobRetention: -time.Second}},
		{"MaxRecoveries", "-1", config.Config{MaxRecoveries: -1}},
		{"MaxArgumentBytes", "-1", config.Config{MaxArgumentBytes: -1}},
		{"MaxSteps", "-1", config.Config{MaxSteps: -1}},
		{"MaxQuestions", "-1", config.Config{MaxQuestions: -1}},
		{"MaxLiveTasks", "is -1; it must be at least 0", config.Config{MaxLiveTasks: -1}},
		{"MaxBacklog", "-1", config.Config{MaxBacklog: -1}},
		{"FetchCooldown", "-1ns", config.Config{FetchCooldown: -1}},
		{"FetchCooldown", "1ns", config.Config{FetchCooldown: 1}},
		{"FetchPollInterval", "-1ns", config.Config{FetchPollInterval: -1}},
		{"FetchPollInterval", "at least FetchCooldown, which is 1s", config.Config{FetchCooldown: time.Second, FetchPollInterval: time.Millisecond}},
	} {
		tested[test.field] = true
		got, err := config.Resolve(test.given)
		var invalid *config.Error
		if got != nil || !errors.As(err, &invalid) || !strings.HasPrefix(invalid.Field, test.field) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, %v; want an error that says %q", test.field, got, err, test.text)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		switch field.Type.Kind() {
		case reflect.Int, reflect.Int64, reflect.String, reflect.Slice:
			if !tested[field.Name] {
				t.Errorf("no value of %s is rejected", field.Name)
			}
		}
	}
}
