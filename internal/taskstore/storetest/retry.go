package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func retryTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"attempts", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			job := f.jobOf(id)
			for n := range 3 {
				run := f.claim(id)
				equal(f.T, "the attempts", run.Attempts, n)
				f.clock.advance(time.Second)
				f.retry(run.Fence, "out of luck")
				f.refused(run.Fence)
				equal(f.T, "the token", f.column(id, "run_token"), "<nil>")
				equal(f.T, "the job", f.jobOf(id), job)
			}
			task := f.get(id)
			equal(f.T, "the status", task.Status, mcptasks.StatusWorking)
			equal(f.T, "the message", task.StatusMessage, "out of luck")
			want := []string{
				"error, run 1 on node-1: out of luck, in full",
				"error, run 2 on node-1: out of luck, in full",
				"error, run 3 on node-1: out of luck, in full",
			}
			if got := f.events(id); !slices.Equal(got, want) {
				f.Errorf("the timeline is %q, want %q", got, want)
			}
		}},
		{"text is cleaned", func(f *fixture[TTx]) {
			run := f.begin()
			held, err := f.store.FailAttempt(f.ctx, driver.FailedAttempt{
				Fence: run.Fence, Message: "a\x00\xff",
				Event: driver.Event{Kind: driver.EventError, Node: "n", Detail: "b\x00\xff" + strings.Repeat("c", 1<<20)},
			})
			f.must(err)
			equal(f.T, "held", held, true)
			equal(f.T, "the message", f.get(run.TaskID).StatusMessage, "a\uFFFD\uFFFD")
			events := f.events(run.TaskID)
			if len(events) != 1 || len(events[0]) > 70_000 || !strings.HasPrefix(events[0], "error, run 1 on n: b\uFFFD\uFFFDccc") {
				f.Errorf("the timeline is %.100q", events)
			}
		}},
		{"snoozed is not counted", func(f *fixture[TTx]) {
			run := f.begin() // a run that is snoozed, or given back, writes nothing
			again := f.claim(run.TaskID)
			equal(f.T, "the attempts", again.Attempts, 0)
			equal(f.T, "the run", again.RunSeq, 2)
		}},
	}
}

func (f *fixture[TTx]) retry(fence driver.Fence, message string) {
	f.Helper()
	held, err := f.store.FailAttempt(f.ctx, driver.FailedAttempt{
		Fence: fence, Message: message,
		Event: driver.Event{Kind: driver.EventError, Node: here, Detail: message + ", in full"},
	})
	f.must(err)
	equal(f.T, "held", held, true)
}
