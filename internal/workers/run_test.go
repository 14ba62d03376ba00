package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/question"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
	"github.com/mcptasks/mcptasks/internal/toolcall"
)

// recorded is the part of a store to which a run writes. It notes the writes.
type recorded struct {
	taskstore.Backend
	writes []string
}

func (s *recorded) Report(_ context.Context, _ driver.Fence, p driver.Progress) (bool, error) {
	s.writes = append(s.writes, fmt.Sprint("progress ", p.Done))
	return true, nil
}

func (s *recorded) Park(context.Context, driver.Fence, map[string]mcptasks.Question, time.Duration) (parked, held bool, err error) {
	s.writes = append(s.writes, "park")
	return true, true, nil
}

// withRun runs fn, in a synctest bubble, on a run that has just reported progress twice:
// the first report has been written, the second is pending.
func withRun(t *testing.T, fn func(t *testing.T, r *run, db *recorded)) {
	synctest.Test(t, func(t *testing.T) {
		db := &recorded{}
		tools := mcptasks.NewTools()
		mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
		tool, _ := tools.Get("report")
		w := New(db, tools, config.Default(), "here")
		w.log = slog.New(slog.DiscardHandler)
		r := w.newRun(t.Context(), &driver.Claimed{Tool: "report", RunTimeout: time.Hour}, tool)
		defer w.finished(r)
		r.Report(1, 0, "")
		r.Report(2, 0, "")
		fn(t, r, db)
	})
}

func (s *recorded) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.writes, want) {
		t.Errorf("the writes are %q, want %q", s.writes, want)
	}
}

// A client that is asked sees how far the work is.
func TestParkWritesProgressBefore(t *testing.T) {
	withRun(t, func(t *testing.T, r *run, db *recorded) {
		if err := r.Park(t.Context(), map[string]question.Question{"sure": {}}); !errors.Is(err, mcptasks.ErrParked) {
			t.Errorf("Park returned %v", err)
		}
		db.want(t, "progress 1", "progress 2", "park")
	})
}

// So does one whose task sleeps, which may be for days.
func TestSnoozeWritesProgressBefore(t *testing.T) {
	withRun(t, func(t *testing.T, r *run, db *recorded) {
		outcome, err := r.workers.settle(t.Context(), r, toolcall.Verdict{Snoozed: true, After: time.Hour})
		var snooze *river.JobSnoozeError
		if outcome != telemetry.Snoozed || !errors.As(err, &snooze) || snooze.Duration != time.Hour {
			t.Errorf("settle returned %s, %v", outcome, err)
		}
		db.want(t, "progress 1", "progress 2")
	})
}
