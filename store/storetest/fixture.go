package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

const (
	alice mcptasks.Owner = "alice"
	bob   mcptasks.Owner = "bob"

	ttl       = 24 * time.Hour
	retention = 10 * time.Minute
)

// fixture is a store on a database of the test's own.
type fixture[TTx any] struct {
	*testing.T
	ctx    context.Context
	driver store.Driver[TTx]
	store  *store.Store[TTx]
	river  *river.Client[TTx] // to look at jobs
	clock  *clock
	tool   *mcptasks.Tool
	tools  []string
	sql    func(ctx context.Context, tx TTx, sql string) ([][]any, error)
}

func open[TTx any](t *testing.T, harness Harness[TTx]) *fixture[TTx] {
	t.Helper()
	f := &fixture[TTx]{
		T:      t,
		ctx:    t.Context(),
		driver: harness.Open(t),
		clock:  &clock{at: time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC)},
		tool: newTool("report", &mcptasks.ToolOptions{
			TTL: ttl, PollInterval: 1500 * time.Millisecond, RunTimeout: 90 * time.Second,
			MaxAttempts: 3, Queue: "reports", Priority: 2,
		}),
		tools: []string{"other", "report"},
		sql:   harness.Query,
	}
	f.store = f.newStore(&store.Config{})
	var err error
	f.river, err = river.NewClient(f.driver.River(), &river.Config{Schema: f.driver.Schema()})
	f.must(err)
	return f
}

// newStore returns another store on the same database with the fixture's clock.
func (f *fixture[TTx]) newStore(config *store.Config) *store.Store[TTx] {
	f.Helper()
	config.Now = f.clock.now
	s, err := store.New(f.driver, config)
	f.must(err)
	return s
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

func (f *fixture[TTx]) call() store.NewTask {
	return store.NewTask{Owner: alice, Tool: f.tool, Params: mcptasks.CreateParams{
		Tool: "report", Arguments: json.RawMessage(`{"year":2026}`), Meta: json.RawMessage(`{"progressToken":7}`),
	}}
}

// create returns n new tasks of alice's.
func (f *fixture[TTx]) create(n int) []*mcptasks.Task {
	f.Helper()
	calls := make([]store.NewTask, n)
	for i := range calls {
		calls[i] = f.call()
	}
	tasks, err := f.store.Create(f.ctx, calls)
	f.must(err)
	return tasks
}

// begin returns the first run of a new task of alice's.
func (f *fixture[TTx]) begin() *store.Claimed {
	f.Helper()
	return f.claim(f.create(1)[0].ID)
}

// claim begins a run of the task under the job it has.
func (f *fixture[TTx]) claim(id string) *store.Claimed {
	f.Helper()
	claimed, err := f.store.Claim(f.ctx, id, f.jobOf(id), f.tools)
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

func (f *fixture[TTx]) finish(fence store.Fence, outcome *mcptasks.Outcome) bool {
	f.Helper()
	held, err := f.store.Finish(f.ctx, fence, outcome, store.Event{})
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
	prefix := ""
	if f.driver.Schema() != "" {
		prefix = f.driver.Schema() + "."
	}
	sql := strings.ReplaceAll(fmt.Sprintf(format, args...), "{s}", prefix)
	var rows [][]any
	err := f.driver.InTx(f.ctx, func(tx TTx) (err error) {
		rows, err = f.sql(f.ctx, tx, sql)
		return err
	})
	if err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
	return rows
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

// jobOf returns the id of the task's job, 0 if it has none.
func (f *fixture[TTx]) jobOf(id string) int64 {
	f.Helper()
	var job int64
	_, err := fmt.Sscan(f.value("SELECT coalesce(job_id, 0) FROM {s}mcp_task WHERE id = '%s'", id), &job)
	f.must(err)
	return job
}

// job returns a River job, nil if there is none of that id.
func (f *fixture[TTx]) job(id int64) *rivertype.JobRow {
	f.Helper()
	var job *rivertype.JobRow
	err := f.driver.InTx(f.ctx, func(tx TTx) (err error) {
		job, err = f.river.JobGetTx(f.ctx, tx, id)
		return err
	})
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	f.must(err)
	return job
}

// startJob makes a job running, as a worker's fetch does.
func (f *fixture[TTx]) startJob(id int64) {
	f.Helper()
	f.query("UPDATE {s}river_job SET state = 'running', attempt = attempt + 1 WHERE id = %d", id)
}

func (f *fixture[TTx]) deleteJob(id int64) {
	f.Helper()
	f.query("DELETE FROM {s}river_job WHERE id = %d", id)
}

// snapshot is everything that is stored of a task, to be compared with another.
func (f *fixture[TTx]) snapshot(id string) string {
	f.Helper()
	return fmt.Sprint(
		f.query("SELECT * FROM {s}mcp_task WHERE id = '%s'", id),
		f.query("SELECT * FROM {s}mcp_task_step WHERE task_id = '%s' ORDER BY key", id),
		f.query("SELECT * FROM {s}mcp_task_event WHERE task_id = '%s' ORDER BY id", id),
	)
}

// unchanged fails the test if fn changed anything of the task.
func (f *fixture[TTx]) unchanged(id, what string, fn func()) {
	f.Helper()
	before := f.snapshot(id)
	f.clock.advance(time.Second)
	fn()
	if after := f.snapshot(id); after != before {
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

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func result(json string) *mcptasks.Outcome { return &mcptasks.Outcome{Result: []byte(json)} }
