package taskstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/names"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/migrations"
)

// Backend is a [Store] without its transaction type: what a node needs that was
// opened by a URL. Each method is documented there.
type Backend interface {
	notify.Database
	Migrations() migrations.DB
	Close() error
	Ping(ctx context.Context) error

	Create(ctx context.Context, calls []NewTask) ([]*mcptasks.Task, error)
	Get(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error)
	List(ctx context.Context, owner mcptasks.Owner, cursor string, limit int) (*mcptasks.Page, error)
	Answer(ctx context.Context, owner mcptasks.Owner, id string, responses map[string]json.RawMessage) error
	Cancel(ctx context.Context, owner mcptasks.Owner, id string) (*mcptasks.Task, error)

	BeginWork(ctx context.Context) (end func() error, err error)
	WorkClient(config *river.Config) (WorkClient, error)
	Claim(ctx context.Context, taskID string, jobID int64, tools []string, node string) (*driver.Claimed, error)
	Held(ctx context.Context, runs []driver.Fence) ([]string, error)
	Report(ctx context.Context, fence driver.Fence, progress driver.Progress) (held bool, err error)
	SaveStep(ctx context.Context, step driver.Step) (result json.RawMessage, held bool, err error)
	Park(ctx context.Context, fence driver.Fence, questions map[string]mcptasks.Question, within time.Duration) (parked, held bool, err error)
	FailAttempt(ctx context.Context, failed driver.FailedAttempt) (held bool, err error)
	Finish(ctx context.Context, fence driver.Fence, tool string, outcome *mcptasks.Outcome, event driver.Event) (held bool, err error)

	Heartbeat(ctx context.Context, node driver.Node) (at time.Time, err error)
	Forget(ctx context.Context, nodeID string) error
	Reap(ctx context.Context, by string, lease time.Duration, steady func() bool) (int, error)
	RunningOn(ctx context.Context, nodeID string) ([]driver.Job, error)
	RecoverLost(ctx context.Context, lost driver.Job, by string) (bool, error)
	Sweep(ctx context.Context, settled time.Duration) error
	Repair(ctx context.Context, settled time.Duration) error
	Prune(ctx context.Context, age time.Duration) error
	AnalyzeJobs(ctx context.Context) (outgrown bool, err error)

	Operator() Operator
}

// WorkClient is a River client that fetches and works jobs, without its
// transaction type.
type WorkClient interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// OpenFunc opens the database at url, which has the scheme it was registered for.
type OpenFunc func(ctx context.Context, url string, cfg *config.Config, notifier *notify.Notifier) (Backend, error)

var (
	schemesMu sync.RWMutex
	schemes   = make(map[string]OpenFunc)
)

// Register makes open the way to open URLs of the scheme. A driver package calls
// it in its init. It panics if the scheme is taken.
func Register(scheme string, open OpenFunc) {
	schemesMu.Lock()
	defer schemesMu.Unlock()
	if _, taken := schemes[scheme]; taken {
		panic("mcptasks/internal/taskstore: Register called twice for scheme " + scheme)
	}
	schemes[scheme] = open
}

// known drivers by scheme, so that a missing import can be named.
var known = map[string]string{
	"postgres":   "github.com/mcptasks/mcptasks/store/postgres",
	"postgresql": "github.com/mcptasks/mcptasks/store/postgres",
	"sqlite":     "github.com/mcptasks/mcptasks/store/sqlite",
}

// Open opens the database at url: postgres://…, sqlite:path or sqlite::memory:,
// as far as their drivers are imported. The error for any other names the import
// or the schemes there are; it never quotes more of the URL than its scheme.
//
// The config is a resolved one. Open leaves the database's schema as it is.
func Open(ctx context.Context, url string, cfg *config.Config, notifier *notify.Notifier) (Backend, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	schemesMu.RLock()
	open := schemes[scheme]
	registered := slices.Sorted(maps.Keys(schemes))
	schemesMu.RUnlock()
	if open != nil {
		return open(ctx, url, cfg, notifier)
	}
	hint := "imported drivers serve: " + strings.Join(registered, ", ")
	switch path := known[scheme]; {
	case path != "":
		hint = fmt.Sprintf("add import _ %q to the program", path)
	case !names.IsScheme(scheme) || !strings.HasPrefix(rest, "//"): // who knows what it is: it is not quoted
		return nil, &mcptasks.Error{
			Op:   "open",
			Err:  fmt.Errorf("%w: the database URL has no scheme", mcptasks.ErrInvalid),
			Hint: "use postgres://user:password@host/database, sqlite:path/to/file or sqlite::memory:",
		}
	}
	return nil, &mcptasks.Error{
		Op:   "open",
		Err:  fmt.Errorf("%w: no driver for database URLs that begin with %q", mcptasks.ErrInvalid, scheme+":"),
		Hint: hint,
	}
}
