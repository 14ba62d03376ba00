package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

const (
	alice mcptasks.Owner = "alice"
	bob   mcptasks.Owner = "bob"

	here = "node-1" // where the tests' runs are

	ttl       = 24 * time.Hour
	retention = 10 * time.Minute
)

// fixture is a store on a database of the test's own.
type fixture[TTx any] struct {
	*testing.T
	ctx    context.Context
	driver driver.Driver[TTx]
	again  func() driver.Driver[TTx] // another driver on the same database
	store  *taskstore.Store[TTx]
	river  *river.Client[TTx] // to look at jobs
	clock  *clock
	tool   *mcptasks.Tool
	tools  []string
	sql    func(ctx context.Context, tx TTx, sql string) ([][]any, error)
}

func open[TTx any](t *testing.T, harness Harness[TTx]) *fixture[TTx] {
	t.Helper()
	again := harness.Open(t)
	f := &fixture[TTx]{
		T:      t,
		ctx:    t.Context(),
		driver: again(),
		again:  again,
		clock:  &clock{at: time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC)},
		tool: newTool("report", &mcptasks.ToolOptions{
			TTL: ttl, PollInterval: 1500 * time.Millisecond, RunTimeout: 90 * time.Second,
			MaxAttempts: 3, Queue: "reports", Priority: 2,
		}),
		tools: []string{"other", "report"},
		sql:   harness.Query,
	}
	f.store = f.newStore(config.Config{})
	var err error
	f.river, err = river.NewClient(f.driver.River(), &river.Config{Schema: f.driver.Schema()})
	f.must(err)
	return f
}

// newStore returns another store on the same driver with the fixture's clock.
func (f *fixture[TTx]) newStore(cfg config.Config) *taskstore.Store[TTx] {
	f.Helper()
	return f.storeOn(f.driver, cfg)
}

func (f *fixture[TTx]) storeOn(driver driver.Driver[TTx], cfg config.Config) *taskstore.Store[TTx] {
	f.Helper()
	return f.storeWith(driver, cfg, newNotifier())
}

// newNotifier returns a notifier for this process alone.
func newNotifier() *notify.Notifier { return notify.New(slog.New(slog.DiscardHandler)) }

func (f *fixture[TTx]) storeWith(driver driver.Driver[TTx], cfg config.Config, notifier *notify.Notifier) *taskstore.Store[TTx] {
	f.Helper()
	resolved, err := config.Resolve(cfg)
	f.must(err)
	s, err := taskstore.NewWithClock(driver, resolved, notifier, f.clock.now)
	f.must(err)
	return s
}

// exclusive says whether one process at a time works the database. There nobody
// can be met who has a task locked.
func (f *fixture[TTx]) exclusive() bool {
	_, ok := f.driver.(driver.Exclusive)
	return ok
}

// inTx runs fn in a transaction that is committed whatever fn returns.
func (f *fixture[TTx]) inTx(fn func(tx TTx) error) error {
	f.Helper()
	var err error
	f.must(f.driver.InTx(f.ctx, func(tx TTx) error {
		err = fn(tx)
		return nil
	}))
	return err
}

var errRollback = errors.New("roll back")

// rolledBack runs fn in a transaction that is not committed.
func (f *fixture[TTx]) rolledBack(fn func(tx TTx) error) {
	f.Helper()
	err := f.driver.InTx(f.ctx, func(tx TTx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errRollback
	})
	f.wantError(err, errRollback)
}

func newTool(name string, options *mcptasks.ToolOptions) *mcptasks.Tool {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[map[string]any, any](tools, &mcp.Tool{Name: name}, nil, options)
	tool, _ := tools.Get(name)
	return tool
}

// clock is a clock that moves when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) advance(d time.Duration) { c.set(c.now().Add(d)) }

func (f *fixture[TTx]) call() taskstore.NewTask {
	return taskstore.NewTask{Owner: alice, Tool: f.tool, Params: mcptasks.CreateParams{
		Tool: "report", Arguments: json.RawMessage(`{"year":2026}`), Meta: json.RawMessage(`{"progressToken":7}`),
	}}
}

// create returns n new tasks of alice's.
func (f *fixture[TTx]) create(n int) []*mcptasks.Task {
	f.Helper()
	calls := make([]taskstore.NewTask, n)
	for i := range calls {
		calls[i] = f.call()
	}
	tasks, err := f.store.Create(f.ctx, calls)
	f.must(err)
	return tasks
}

// begin returns the first run of a new task of alice's.
func (f *fixture[TTx]) begin() *driver.Claimed {
	f.Helper()
	return f.claim(f.create(1)[0].ID)
}

// beginAll returns the first runs of n new tasks of alice's, in few transactions.
func (f *fixture[TTx]) beginAll(n int) []*driver.Claimed {
	f.Helper()
	jobs := make(map[string]int64)
	tasks := f.create(n)
	for _, row := range f.query("SELECT id, coalesce(job_id, 0) FROM {s}mcp_task") {
		jobs[fmt.Sprint(row[0])] = row[1].(int64)
	}
	fences := make([]driver.Fence, n)
	for i, task := range tasks {
		fences[i] = driver.Fence{TaskID: task.ID, JobID: jobs[task.ID], RunToken: uuid.NewString()}
	}
	runs, err := f.driver.Claim(f.ctx, fences, f.tools, here, f.clock.now())
	f.must(err)
	equal(f.T, "the number of runs", len(runs), n)
	return runs
}

// claim begins a run of the task under the job it has.
func (f *fixture[TTx]) claim(id string) *driver.Claimed {
	f.Helper()
	return f.claimOn(id, here)
}

// claimOn begins a run of the task on the node, under the job it has.
func (f *fixture[TTx]) claimOn(id, node string) *driver.Claimed {
	f.Helper()
	claimed, err := f.store.Claim(f.ctx, id, f.jobOf(id), f.tools, node)
	f.must(err)
	if claimed == nil {
		f.Fatalf("task %s was not claimed", id)
	}
	return claimed
}

func (f *fixture[TTx]) get(id string) *mcptasks.Task {
	f.Helper()
	task, err := f.store.Get(f.ctx, alice, id)
	f.must(err)
	return task
}

func (f *fixture[TTx]) finish(fence driver.Fence, outcome *mcptasks.Outcome) bool {
	f.Helper()
	held, err := f.store.Finish(f.ctx, fence, f.tool.Name, outcome, driver.Event{})
	f.must(err)
	return held
}

func (f *fixture[TTx]) cancel(id string) {
	f.Helper()
	_, err := f.store.Cancel(f.ctx, alice, id)
	f.must(err)
}

// query runs one statement; {s} in it is the schema's prefix.
func (f *fixture[TTx]) query(format string, args ...any) [][]any {
	f.Helper()
	rows, err := f.tryQuery(format, args...)
	if err != nil {
		f.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return rows
}

func (f *fixture[TTx]) tryQuery(format string, args ...any) (rows [][]any, err error) {
	prefix := ""
	if f.driver.Schema() != "" {
		prefix = f.driver.Schema() + "."
	}
	sql := strings.ReplaceAll(fmt.Sprintf(format, args...), "{s}", prefix)
	err = f.driver.InTx(f.ctx, func(tx TTx) (err error) {
		rows, err = f.sql(f.ctx, tx, sql)
		return err
	})
	return rows, err
}

// value is the one value that the query returns, as text: "<nil>" for NULL.
func (f *fixture[TTx]) value(format string, args ...any) string {
	f.Helper()
	rows := f.query(format, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		f.Fatalf("%s returned %v, want one value", fmt.Sprintf(format, args...), rows)
	}
	return fmt.Sprint(rows[0][0])
}

// column is a column of the task's row, as text.
func (f *fixture[TTx]) column(id, name string) string {
	f.Helper()
	return f.value("SELECT %s FROM {s}mcp_task WHERE id = '%s'", name, id)
}

// rows is everything that is stored of a task, to be compared with another.
func (f *fixture[TTx]) rows(id string) string {
	f.Helper()
	return fmt.Sprint(
		f.query("SELECT * FROM {s}mcp_task WHERE id = '%s'", id),
		f.query("SELECT * FROM {s}mcp_task_input WHERE task_id = '%s' ORDER BY key", id),
		f.query("SELECT * FROM {s}mcp_task_step WHERE task_id = '%s' ORDER BY key", id),
		f.query("SELECT * FROM {s}mcp_task_event WHERE task_id = '%s' ORDER BY id", id),
	)
}

// snapshot is rows and the states of all jobs.
func (f *fixture[TTx]) snapshot(id string) string {
	f.Helper()
	return fmt.Sprint(f.rows(id), f.query("SELECT id, state FROM {s}river_job ORDER BY id"))
}

// unchanged fails the test if fn changed anything of the task, or a job.
func (f *fixture[TTx]) unchanged(id, what string, fn func()) {
	f.Helper()
	f.sameAfter(func() string { return f.snapshot(id) }, what, fn)
}

// unchangedTask fails the test if fn changed anything of the task.
func (f *fixture[TTx]) unchangedTask(id, what string, fn func()) {
	f.Helper()
	f.sameAfter(func() string { return f.rows(id) }, what, fn)
}

func (f *fixture[TTx]) sameAfter(read func() string, what string, fn func()) {
	f.Helper()
	before := read()
	f.clock.advance(time.Second)
	fn()
	if after := read(); after != before {
		f.Errorf("%s changed the task:\n%s\n%s", what, before, after)
	}
}

// events returns the task's timeline as lines of kind, run and detail.
func (f *fixture[TTx]) events(id string) []string {
	f.Helper()
	var lines []string
	for _, row := range f.query("SELECT kind, run_seq, node, detail FROM {s}mcp_task_event WHERE task_id = '%s' ORDER BY id", id) {
		lines = append(lines, fmt.Sprintf("%v, run %v on %v: %v", row...))
	}
	return lines
}

func (f *fixture[TTx]) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture[TTx]) wantError(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("the error is %v, want %v", err, want)
	}
}

// wantText fails the test unless the error is want and its text holds each of the
// texts.
func (f *fixture[TTx]) wantText(err, want error, texts ...string) {
	f.Helper()
	f.wantError(err, want)
	for _, text := range texts {
		if err != nil && !strings.Contains(err.Error(), text) {
			f.Errorf("the error reads %q, want %q in it", err, text)
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func result(json string) *mcptasks.Outcome { return &mcptasks.Outcome{Result: []byte(json)} }
