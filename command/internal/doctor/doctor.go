// Package doctor checks a database of tasks and returns its faults with their remedies.
// It changes nothing. It knows what a healthy database looks like; it does not know how a
// command prints the findings.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store"
)

// Config says what to examine, and the limits beyond which it is a fault.
type Config struct {
	URL     string
	Store   *config.Config
	Program string // the command in the remedies

	Timeout        time.Duration // for the database to answer each question
	MaxSkew        time.Duration // between this machine's clock and the database's
	MaxConnections int           // of the server's, in use, in percent
	Lease          time.Duration // a node without a heartbeat for so long is dead
	MaxBacklog     int           // waiting jobs in one queue
	MaxWait        time.Duration // of the oldest waiting job
}

// Statuses of a finding.
const (
	OK      = "ok"
	Fault   = "fault"
	Skipped = "skipped" // another fault prevents the check
)

// Finding is the result of a check.
type Finding struct {
	Check   string
	Status  string
	Summary string
	Remedy  string   // "" unless it is a fault
	Items   []string // the tasks, jobs or nodes that have the fault
}

// Checks are the names of all checks, in their order.
var Checks = []string{
	"database", "schema", "clock", "connections", "nodes", "backlog", "wait", "served", "task-without-job", "job-without-task",
}

// Examine runs every check and returns a finding for each, in the order of Checks.
func Examine(ctx context.Context, config Config) []Finding {
	e := &examination{Config: config, findings: make(map[string]Finding)}
	e.examine(ctx)
	all := make([]Finding, len(Checks))
	for i, check := range Checks {
		finding, found := e.findings[check]
		if !found {
			finding = Finding{Check: check, Status: Skipped, Summary: "not checked: see the fault above"}
		}
		all[i] = finding
	}
	return all
}

// Faults returns how many of the findings are faults.
func Faults(findings []Finding) (n int) {
	for _, finding := range findings {
		if finding.Status == Fault {
			n++
		}
	}
	return n
}

type examination struct {
	Config
	findings map[string]Finding
}

func (e *examination) ok(check, format string, args ...any) {
	e.findings[check] = Finding{Check: check, Status: OK, Summary: fmt.Sprintf(format, args...)}
}

func (e *examination) fault(check, summary, remedy string, items ...string) {
	e.findings[check] = Finding{Check: check, Status: Fault, Summary: summary, Remedy: remedy, Items: items}
}

func (e *examination) examine(ctx context.Context) {
	began := time.Now()
	var backend taskstore.Backend
	err := e.within(ctx, func(ctx context.Context) (err error) {
		backend, err = taskstore.Open(ctx, e.URL, e.Store, notify.New(e.Store.Logger))
		return err
	})
	if err != nil {
		e.unreachable(err)
		return
	}
	defer backend.Close()
	e.ok("database", "%s answers in %s", store.Redact(e.URL), time.Since(began).Round(time.Millisecond))

	err = e.within(ctx, func(ctx context.Context) error { return migrations.Check(ctx, backend.Migrations()) })
	if !e.schema(err) {
		return
	}
	var survey *store.Survey
	var before, after time.Time
	err = e.within(ctx, func(ctx context.Context) (err error) {
		before = time.Now()
		survey, err = backend.Operator().Survey(ctx)
		after = time.Now()
		return err
	})
	if err != nil {
		e.unreachable(err)
		return
	}
	e.clock(before, after, survey.Clock)
	e.connections(survey.Connections)
	e.nodes(survey)
	e.waiting(survey)
	e.served(survey)
	e.jobless(survey.Jobless)
	e.taskless(survey.Taskless)
}

func (e *examination) within(ctx context.Context, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	err := fn(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return &mcptasks.Error{
			Op:   "examine",
			Err:  fmt.Errorf("the database did not answer within %s", e.Timeout),
			Hint: "check that its server is up, reachable from here, and neither overloaded nor locked",
		}
	}
	return err
}

// tooManyConnections is the SQLSTATE of a server, a database or a user at its limit of
// connections.
const tooManyConnections = "53300"

// unreachable reports a server at its limit of connections as another fault than one that
// does not answer.
func (e *examination) unreachable(err error) {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) && coded.SQLState() == tooManyConnections {
		e.fault("connections", "the server accepts no more connections: "+cause(err), connectionsRemedy)
		return
	}
	remedy := "check that the database's server is up and reachable from here, and that DATABASE_URL is right"
	var ours *mcptasks.Error
	if errors.As(err, &ours) && ours.Hint != "" {
		remedy = ours.Hint
	}
	e.fault("database", cause(err), remedy)
}

// cause returns the error in one line, without the operation and the hint.
func cause(err error) string {
	var ours *mcptasks.Error
	if errors.As(err, &ours) {
		err = ours.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (e *examination) schema(err error) (current bool) {
	switch {
	case err == nil:
		e.ok("schema", "is that of this release")
	case errors.Is(err, migrations.ErrOldSchema):
		e.fault("schema", cause(err), fmt.Sprintf("run '%s migrate up' (with --dry-run to see the SQL)", e.Program))
	case errors.Is(err, migrations.ErrNewSchema):
		e.fault("schema", cause(err), "run a release of this program at least as new as the one that migrated the database")
	default:
		e.unreachable(err)
	}
	return err == nil
}
