package config

import (
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks/internal/names"
)

// Error says which field has a value that is not allowed.
type Error struct {
	Field   string
	Value   any
	Allowed string // what is, in words
}

func (e *Error) Error() string {
	if text, ok := e.Value.(string); ok {
		return fmt.Sprintf("Config.%s is %q; it must be %s", e.Field, text, e.Allowed)
	}
	return fmt.Sprintf("Config.%s is %v; it must be %s", e.Field, e.Value, e.Allowed)
}

// maxRiverWorkers is the limit that River sets for each queue.
const maxRiverWorkers = 10_000

// maxInterval bounds the intervals that this module and River multiply.
const maxInterval = 30 * 24 * time.Hour

// validate checks a Config that has its defaults.
func (c *Config) validate() error {
	if !names.IsSchema(c.Schema) {
		return &Error{"Schema", c.Schema, names.SchemaRule}
	}
	for i, queue := range c.Queues {
		if !names.IsQueue(queue) {
			return &Error{fmt.Sprintf("Queues[%d]", i), queue, names.QueueRule}
		}
	}
	for _, field := range []struct {
		name         string
		value        int
		least, limit int
	}{
		{"MaxWorkers", c.MaxWorkers, 1, maxRiverWorkers},
		{"MaxResultBytes", c.MaxResultBytes, 1, 0},
		{"MaxRecoveries", c.MaxRecoveries, 1, 0},
		{"MaxArgumentBytes", c.MaxArgumentBytes, 1, 0},
		{"MaxSteps", c.MaxSteps, 1, 0},
		{"MaxQuestions", c.MaxQuestions, 1, 0},
		{"MaxLiveTasks", c.MaxLiveTasks, 0, 0},
		{"MaxBacklog", c.MaxBacklog, 0, 0},
	} {
		if err := within(field.name, field.value, field.least, field.limit); err != nil {
			return err
		}
	}
	for _, field := range []struct {
		name         string
		value, limit time.Duration
	}{
		{"Grace", c.Grace, 0},
		{"MinRetention", c.MinRetention, 0},
		{"HeartbeatInterval", c.HeartbeatInterval, maxInterval},
		{"SweepInterval", c.SweepInterval, maxInterval},
		{"JobRetention", c.JobRetention, 0},
		{"FetchCooldown", c.FetchCooldown, maxInterval},
		{"FetchPollInterval", c.FetchPollInterval, maxInterval},
	} {
		if err := within(field.name, field.value, time.Millisecond, field.limit); err != nil {
			return err
		}
	}
	if c.FetchPollInterval < c.FetchCooldown {
		return &Error{"FetchPollInterval", c.FetchPollInterval, fmt.Sprintf("at least FetchCooldown, which is %v", c.FetchCooldown)}
	}
	return nil
}

// within checks that the value is at least least and, unless limit is 0, at most limit.
func within[T int | time.Duration](field string, value, least, limit T) error {
	switch {
	case value >= least && (limit == 0 || value <= limit):
		return nil
	case limit == 0:
		return &Error{field, value, fmt.Sprintf("at least %v", least)}
	default:
		return &Error{field, value, fmt.Sprintf("at least %v and at most %v", least, limit)}
	}
}
