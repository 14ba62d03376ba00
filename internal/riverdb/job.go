// Package riverdb knows what this module has to know of River's inside: its job rows, its
// notifications, the indexes that our schema drops, and which part of its drivers our
// nodes replace. It does not know what a task is, and no SQL of ours.
package riverdb

import (
	"log/slog"
	"math"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
)

// JobArgs are the arguments of every River job of ours: the id of its task and nothing
// else.
type JobArgs struct {
	TaskID string `json:"task_id"`
}

// Kind returns the only kind of job. Every node registers it, so that no leader takes a
// job of ours for one of an unknown kind.
func (JobArgs) Kind() string { return "mcptask" }

// JobAttempts is max_attempts of every job. The task counts attempts, so River's limit
// must not be reached.
const JobAttempts = math.MaxInt16

// NewInserter returns a River client that inserts and cancels jobs, and works none. It
// does not notify the workers of its inserts: within a transaction, a notification makes
// Postgres commit such transactions one by one. [JobNotifications] does that afterwards.
func NewInserter[TTx any](driver riverdriver.Driver[TTx], schema string, logger *slog.Logger) (*river.Client[TTx], error) {
	const never = 100 * 365 * 24 * time.Hour
	return river.NewClient(driver, &river.Config{
		Logger: logger,
		Schema: schema,
		// River's client notifies at most once in its FetchCooldown.
		FetchCooldown:     never,
		FetchPollInterval: never,
	})
}
