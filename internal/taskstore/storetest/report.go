package storetest

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func reportTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"message", func(f *fixture[TTx]) {
			run := f.begin()
			for _, tc := range []struct {
				progress driver.Progress
				want     string
			}{
				{driver.Progress{Done: 1, Total: 5, Message: "reading"}, "reading"},
				{driver.Progress{Done: 2, Total: 5}, "2/5"},
				{driver.Progress{Done: 2.5}, "2.5"},
				{driver.Progress{Message: "a\x00b"}, "a\uFFFDb"},
				{driver.Progress{Message: "a\xffb"}, "a\uFFFDb"},
				{driver.Progress{Message: "日本 \U0001F600 ' \" \\"}, "日本 \U0001F600 ' \" \\"},
			} {
				f.clock.advance(time.Second)
				f.report(run, tc.progress)
				task := f.get(run.TaskID)
				equal(f.T, "the message", task.StatusMessage, tc.want)
				equal(f.T, "the status", task.Status, mcptasks.StatusWorking)
				equal(f.T, "the time of change", task.UpdatedAt, f.clock.now())
			}
		}},
		{"numbers", func(f *fixture[TTx]) {
			run := f.begin()
			f.report(run, driver.Progress{Done: 0.5, Total: 1e15})
			equal(f.T, "the numbers", f.value("SELECT count(*) FROM {s}mcp_task WHERE progress = 0.5 AND total = 1e15"), "1")
		}},
		{"long message", func(f *fixture[TTx]) {
			run := f.begin()
			f.report(run, driver.Progress{Message: strings.Repeat("日", 1<<20)})
			message := f.get(run.TaskID).StatusMessage
			if len(message) > 5000 || !utf8.ValidString(message) || !strings.HasPrefix(message, "日日") {
				f.Errorf("the message is %d bytes: %.20s, want its beginning", len(message), message)
			}
		}},
	}
}

func (f *fixture[TTx]) report(run *driver.Claimed, progress driver.Progress) {
	f.Helper()
	held, err := f.store.Report(f.ctx, run.Fence, progress)
	f.must(err)
	equal(f.T, "held", held, true)
}
