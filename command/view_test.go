package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

// TestLiveView draws as on a terminal.
func TestLiveView(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "tasks.db")
	tools := mcptasks.NewTools()
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
	node, err := runner.Open(t.Context(), url, tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "report"})
	if err != nil {
		t.Fatal(err)
	}

	var screen strings.Builder
	v := &view{w: &screen, out: &printer{format: formatTable}, live: true}
	all := &watch{operator: node.Operator(), limit: 10, seen: make(map[string]*mcptasks.Task)}
	if err := all.refresh(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if drawn := screen.String(); !strings.HasPrefix(drawn, clearScreen+"ID") || !strings.Contains(drawn, task.ID) {
		t.Errorf("all tasks are drawn as %q", drawn)
	}

	screen.Reset()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- watchOne(ctx, node.Operator(), task.ID, v) }()
	if _, err := node.Cancel(ctx, "", task.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-watched; err != nil {
		t.Fatal(err)
	}
	screens := strings.Split(screen.String(), clearScreen)
	if last := screens[len(screens)-1]; !strings.Contains(last, "Status     cancelled") {
		t.Errorf("the last thing drawn is %q", last)
	}
}

// TestTimeline checks the order of the entries, even with nodes' clocks that differ.
func TestTimeline(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1e9+int64(seconds), 0).UTC() }
	got := timeline(&store.Shown{
		Task: &mcptasks.Task{
			Status: mcptasks.StatusCompleted, StatusMessage: "done", CreatedAt: at(0), FinishedAt: at(60),
			Outcome: &mcptasks.Outcome{IsError: true},
		},
		RetryOf: "another", RunSeq: 3, RunAt: at(50), RunNode: "b",
		Questions: []store.ShownQuestion{
			{Key: "colour", Method: "elicitation/create", AskedAt: at(10), AnsweredAt: at(20), Response: []byte(`{"action":"decline"}`)},
			{Key: "size", Method: "elicitation/create", AskedAt: at(10), AnsweredAt: at(40)},
			{Key: "early", AskedAt: at(0), AnsweredAt: at(0), Response: []byte(`{}`)},
		},
		Steps: []store.ShownStep{{Key: "late", Node: "b", RunSeq: 3, BeganAt: at(51), EndedAt: at(70)}},
		Timeline: []store.TimedEvent{
			{At: at(10), RunSeq: 1, Event: store.Event{Kind: "parked", Node: "a", Detail: "colour, size"}},
			{At: at(45), RunSeq: 2, Event: store.Event{Kind: "error", Node: "a", Detail: "line one\nline two"}},
		},
	})
	want := []string{
		"created: as a retry of another",
		"answered before it was asked: early {}",
		"asked: colour (elicitation/create)",
		"asked: size (elicitation/create)",
		"parked, run 1 on a: colour, size",
		`answered in 10s: colour {"action":"decline"}`,
		"unanswered in 30s: size",
		"error, run 2 on a: line one\nline two",
		"began, run 3 on b",
		"step, run 3 on b in 19s: late",
		"completed (error) in 1m: done",
	}
	var lines []string
	for _, e := range got {
		lines = append(lines, e.String())
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the timeline is\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ☃":                       "plain ☃",
		"\x1b]0;title\a":                `\x1b]0;title\a`,
		"one\ntwo\r\x00":                `one\ntwo\r\x00`,
		"right \u202eto left":           `right \u202eto left`,
		"tab\tand \xff invalid":         "tab    and \ufffd invalid",
		strings.Repeat("\U0001f600", 2): strings.Repeat("\U0001f600", 2),
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q is printed as %q, want %q", in, got, want)
		}
	}
	if got := printable("one\ntwo", true); got != "one\ntwo" {
		t.Errorf("lines are printed as %q", got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 12 * time.Millisecond: "12ms", 3200 * time.Millisecond: "3.2s", 59 * time.Second: "59s", 3 * time.Minute: "3m",
		200 * time.Second: "3m20s", 5 * time.Hour: "5h", 26*time.Hour + 10*time.Minute: "26h10m", 50 * time.Hour: "2d", -time.Second: "-1s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestTuneCollector checks that the settings of the environment stay.
func TestTuneCollector(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(limit)
	current := func() (int, int64) {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent, debug.SetMemoryLimit(-1)
	}
	for _, test := range []struct {
		gogc, gomemlimit string
		container        int64
		percent          int
		limit            int64
	}{
		{"", "", 10 << 40, 400, 9 << 40},
		{"", "", 0, 400, limit},
		{"50", "", 10 << 40, 100, 9 << 40},
		{"", "1GiB", 10 << 40, 400, limit},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(limit)
		t.Setenv("GOGC", test.gogc)
		t.Setenv("GOMEMLIMIT", test.gomemlimit)
		tuneCollector(test.container)
		gotPercent, gotLimit := current()
		debug.SetMemoryLimit(limit)
		if gotPercent != test.percent || gotLimit != test.limit {
			t.Errorf("%+v: %d %%, %d bytes", test, gotPercent, gotLimit)
		}
	}
}

// TestExitCodes checks that the codes are those of the root's help.
func TestExitCodes(t *testing.T) {
	if got := ExitCode(errors.New("unknown flag")); got != exitUsage {
		t.Errorf("an error of cobra's is %d", got)
	}
	codes := make(map[int]bool)
	for _, err := range []error{nil, os.ErrNotExist, usagef("no"), mcptasks.ErrNotFound, mcptasks.ErrTerminal, errFaults} {
		wrapped := run(func(*cobra.Command, []string) error { return err })(&cobra.Command{}, nil)
		codes[ExitCode(wrapped)] = true
	}
	for code := range 6 {
		if !codes[code] {
			t.Errorf("no error has the code %d", code)
		}
		if !strings.Contains(rootLong, "\n  "+string(rune('0'+code))+"  ") {
			t.Errorf("the help does not name %d", code)
		}
	}
}

// TestWatchBetweenTheLists has a task that moved while the two lists were read and is in
// neither. It is shown once.
func TestWatchBetweenTheLists(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool[struct{}, any](tools, &mcp.Tool{Name: "report"}, nil, nil)
	node, err := runner.Open(t.Context(), "sqlite::memory:", tools, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	task, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "report"})
	if err != nil {
		t.Fatal(err)
	}
	was := *task
	was.Status = mcptasks.StatusInputRequired

	var out strings.Builder
	v := &view{w: &out, out: &printer{format: formatTable}}
	w := &watch{operator: node.Operator(), limit: 10, seen: make(map[string]*mcptasks.Task)}
	if err := w.showEnded(t.Context(), map[string]*mcptasks.Task{task.ID: &was}, v); err != nil {
		t.Fatal(err)
	}
	if err := w.refresh(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), task.ID+"  working"); lines != 1 {
		t.Errorf("it is shown %d times:\n%s", lines, out.String())
	}
}
