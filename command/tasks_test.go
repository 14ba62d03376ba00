package command_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks"
)

type listed struct {
	Tasks      []task `json:"tasks"`
	NextCursor string `json:"nextCursor"`
}

type task struct {
	TaskID    string          `json:"taskId"`
	NewTaskID string          `json:"newTaskId"`
	Owner     string          `json:"owner"`
	Tool      string          `json:"tool"`
	Status    mcptasks.Status `json:"status"`
}

func (l listed) ids() (ids []string) {
	for _, task := range l.Tasks {
		ids = append(ids, task.TaskID)
	}
	return ids
}

func TestListFilters(t *testing.T) {
	d := newDatabase(t)
	newestFirst := []string{d.cancelled, d.working, d.failed, d.completed, d.parked}
	for name, test := range map[string]struct {
		args string
		want []string
	}{
		"everything":        {"", newestFirst},
		"status":            {"--status failed", []string{d.failed}},
		"tool":              {"--tool report", []string{d.working, d.completed}},
		"owner":             {"--owner alice", []string{d.completed, d.parked}},
		"no owner":          {"--owner=", []string{d.cancelled, d.working}},
		"tool and owner":    {"--tool report --owner alice", []string{d.completed}},
		"older":             {"--older-than 1h", nil},
		"newer":             {"--newer-than 7d", newestFirst},
		"all":               {"--all", newestFirst},
		"all that match":    {"--all --status working", []string{d.working}},
		"all of what isn't": {"--all --tool none", nil},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"tasks", "list"}, strings.Fields(test.args)...)
			if got := decode[listed](t, d.url, args...).ids(); !slices.Equal(got, test.want) {
				t.Errorf("%q lists %v, want %v", test.args, got, test.want)
			}
		})
	}
}

func TestListPages(t *testing.T) {
	d := newDatabase(t)
	var ids []string
	args := []string{"tasks", "list", "--limit", "2"}
	for range 3 {
		page := decode[listed](t, d.url, args...)
		ids = append(ids, page.ids()...)
		args = []string{"tasks", "list", "--limit", "2", "--cursor", page.NextCursor}
	}
	if want := []string{d.cancelled, d.working, d.failed, d.completed, d.parked}; !slices.Equal(ids, want) || args[5] != "" {
		t.Errorf("the pages have %v and go on with %q, want %v", ids, args[5], want)
	}
	table := run(t, d.url, "tasks", "list", "--limit", "2")
	if !strings.Contains(table.err, "--cursor ") || strings.Contains(table.out, "--cursor") {
		t.Errorf("a table says %q on standard error of the page that follows", table.err)
	}
}

func TestListTable(t *testing.T) {
	d := newDatabase(t)
	lines := strings.Split(ok(t, d.url, "tasks", "list"), "\n")
	if got := strings.Fields(lines[0]); !slices.Equal(got, []string{"ID", "STATUS", "TOOL", "OWNER", "AGE", "MESSAGE"}) {
		t.Errorf("the header is %q", lines[0])
	}
	failed := strings.Fields(lines[3])
	if failed[0] != d.failed || failed[1] != "failed" || failed[2] != "break" || failed[3] != "bob" {
		t.Errorf("the failed task's line is %q", lines[3])
	}
}

func TestShow(t *testing.T) {
	d := newDatabase(t)
	for name, test := range map[string]struct {
		id   string
		want []string
	}{
		"completed": {d.completed, []string{
			"Tool       report, queue reports", "Owner      alice", `"text":"tides"`, "created", "began, run 1 on ", "step, run 1 on ", ": fetch", "completed in ",
		}},
		"parked":    {d.parked, []string{"input_required", `Asks       approve (elicitation/create, until `, `"message":"Pay?"`, "asked: approve", "parked, run 1 on "}},
		"failed":    {d.failed, []string{`-32000 the disk \x1b[31mis full`, "failed in "}},
		"cancelled": {d.cancelled, []string{"cancelled in "}},
	} {
		t.Run(name, func(t *testing.T) {
			out := ok(t, d.url, "tasks", "show", test.id)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("there is no %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("what a handler wrote reaches the terminal: %q", out)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		in   string
		code int
		want string // the action that the handler got
	}{
		"accept":         {[]string{"--accept", `approve={"approved":true}`}, "", 0, "accept"},
		"decline":        {[]string{"--decline", "approve"}, "", 0, "decline"},
		"JSON":           {[]string{`approve={"action":"cancel"}`}, "", 0, "cancel"},
		"stdin":          {[]string{"approve=-"}, `{"action":"accept","content":{"approved":false}}`, 0, "accept"},
		"not the schema": {[]string{"--accept", `approve={"approved":"very"}`}, "", 2, ""},
		"not JSON":       {[]string{"approve=yes"}, "", 2, ""},
		"not asked":      {[]string{"--decline", "colour"}, "", 4, ""},
		"nothing":        {nil, "", 2, ""},
		"twice":          {[]string{"--decline", "approve", "--accept", "approve"}, "", 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t)
			args := append([]string{"tasks", "answer", d.parked}, test.args...)
			got := runWith(t, t.Context(), newTools(), d.url, strings.NewReader(test.in), args...)
			if got.code != test.code {
				t.Fatalf("exit code %d, want %d: %v", got.code, test.code, got.failure)
			}
			if test.code != 0 {
				if status := decode[task](t, d.url, "tasks", "show", d.parked).Status; status != mcptasks.StatusInputRequired {
					t.Errorf("a rejected answer left the task %s", status)
				}
				return
			}
			if want := "answered approve; the task is working\n"; got.out != want {
				t.Errorf("it says %q, want %q", got.out, want)
			}
			node := open(t, d.url)
			if err := node.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, node, d.parked, mcptasks.StatusCompleted)
			if out := ok(t, d.url, "tasks", "show", d.parked); !strings.Contains(out, `"action":"`+test.want+`"`) {
				t.Errorf("the handler did not get %q:\n%s", test.want, out)
			}
		})
	}
}

// TestNamed runs the commands on given ids, in states that allow them and in others.
func TestNamed(t *testing.T) {
	d := newDatabase(t)
	const unknown = "00000000-0000-4000-8000-000000000000"
	for _, test := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"show", unknown}, 3, ""},
		{[]string{"show", "no-id"}, 3, ""},
		{[]string{"answer", unknown, "--decline", "a"}, 3, ""},
		{[]string{"watch", unknown}, 3, ""},
		{[]string{"cancel", unknown}, 3, ""},
		{[]string{"cancel", d.completed}, 4, ""},
		{[]string{"retry", d.parked}, 4, ""},
		{[]string{"delete", d.parked}, 4, ""},
		{[]string{"cancel", d.completed, d.working, d.parked}, 4, "cancelled " + d.working + "\ncancelled " + d.parked + "\n"},
		{[]string{"retry", d.failed}, 0, "retried " + d.failed + " as "},
		{[]string{"delete", d.failed, d.working}, 0, "deleted " + d.failed + "\ndeleted " + d.working + "\n"},
		{[]string{"show", d.failed}, 3, ""},
		{[]string{"watch", d.completed}, 0, d.completed + "  completed"},
	} {
		got := run(t, d.url, append([]string{"tasks"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.out, test.say) {
			t.Errorf("tasks %s: exit code %d, %q, %v; want %d, %q", strings.Join(test.args, " "), got.code, got.out, got.failure, test.code, test.say)
		}
	}
}

// TestMatching runs the commands on all tasks that match, with a confirmation.
func TestMatching(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		code int
		left map[mcptasks.Status]int
	}{
		"not asked for":          {"delete", 2, nil},
		"not confirmed":          {"delete --owner alice", 2, nil},
		"nothing matches":        {"delete --owner carol", 0, nil},
		"both":                   {"delete some-id --owner alice --yes", 2, nil},
		"delete what cannot be":  {"delete --status working --yes", 2, nil},
		"retry without a status": {"retry --owner bob --yes", 2, nil},
		"unknown status":         {"cancel --status done --yes", 2, nil},
		"cancel":                 {"cancel --owner alice --yes", 0, map[mcptasks.Status]int{"working": 1, "cancelled": 2, "completed": 1, "failed": 1}},
		"cancel by status":       {"cancel --status working --yes", 0, map[mcptasks.Status]int{"input_required": 1, "cancelled": 2, "completed": 1, "failed": 1}},
		"delete":                 {"delete --newer-than 1h --yes", 0, map[mcptasks.Status]int{"working": 1, "input_required": 1}},
		"retry":                  {"retry --status failed --yes", 0, map[mcptasks.Status]int{"working": 2, "input_required": 1, "completed": 1, "failed": 1, "cancelled": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t)
			got := run(t, d.url, append([]string{"tasks"}, strings.Fields(test.args)...)...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d: %v", got.code, test.code, got.failure)
			}
			if name == "not confirmed" && !strings.Contains(got.failure.Error(), "1 tasks match") { // alice's other task has not ended
				t.Errorf("it says %v", got.failure)
			}
			left := make(map[mcptasks.Status]int)
			for _, task := range decode[listed](t, d.url, "tasks", "list").Tasks {
				left[task.Status]++
			}
			if test.left == nil {
				test.left = map[mcptasks.Status]int{"working": 1, "input_required": 1, "completed": 1, "failed": 1, "cancelled": 1}
			}
			for _, status := range mcptasks.Statuses() {
				if left[status] != test.left[status] {
					t.Errorf("%d tasks are %s, want %d", left[status], status, test.left[status])
				}
			}
		})
	}
}

// lines is a Writer that passes on each line.
type lines struct {
	part string
	to   chan string
}

func newLines() *lines { return &lines{to: make(chan string, 100)} }

func (l *lines) Write(p []byte) (int, error) {
	l.part += string(p)
	for {
		line, rest, whole := strings.Cut(l.part, "\n")
		if !whole {
			return len(p), nil
		}
		l.part = rest
		l.to <- line
	}
}

func (l *lines) next(t *testing.T, ctx context.Context) string {
	t.Helper()
	select {
	case line := <-l.to:
		return line
	case <-ctx.Done():
		t.Fatal("no line was printed")
		return ""
	}
}

// TestWatchAll follows two tasks that another process changes.
func TestWatchAll(t *testing.T) {
	d := newDatabase(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watching, stop := context.WithCancel(ctx)
	root := newRoot()
	out := newLines()
	root.SetOut(out)
	root.SetArgs([]string{"tasks", "watch", "--interval", "20ms", "-o", "json", "--database", d.url})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(watching) }()

	next := func(id string, status mcptasks.Status) {
		t.Helper()
		var got task
		if err := json.Unmarshal([]byte(out.next(t, ctx)), &got); err != nil || got.TaskID != id || got.Status != status {
			t.Errorf("the next line is %+v, %v; want %s %s", got, err, id, status)
		}
	}
	next(d.parked, mcptasks.StatusInputRequired)
	next(d.working, mcptasks.StatusWorking)
	ok(t, d.url, "tasks", "answer", d.parked, "--decline", "approve")
	next(d.parked, mcptasks.StatusWorking)
	ok(t, d.url, "tasks", "cancel", d.working)
	next(d.working, mcptasks.StatusCancelled)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("interrupted it returns %v", err)
	}
}
