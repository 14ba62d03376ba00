package storetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func stepTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"recorded once", func(f *fixture[TTx]) {
			run := f.begin()
			equal(f.T, "the result", f.saveStep(run.Fence, "a", `1`), `1`)
			equal(f.T, "the result of a second", f.saveStep(run.Fence, "a", `2`), `1`)
			again := f.claim(run.TaskID)
			equal(f.T, "the result in a later run", f.saveStep(again.Fence, "a", `3`), `1`)
			equal(f.T, "the result recorded", string(f.claim(run.TaskID).Steps["a"]), `1`)
		}},
		{"a zombie's", func(f *fixture[TTx]) {
			zombie := f.begin()
			run := f.claim(zombie.TaskID)
			result, held, err := f.store.SaveStep(f.ctx, driver.Step{Fence: zombie.Fence, Key: "a", Result: json.RawMessage(`"zombie"`)})
			if held || err != nil || result != nil {
				f.Errorf("saved %s, %v, %v, want nothing", result, held, err)
			}
			equal(f.T, "the result", f.saveStep(run.Fence, "a", `"run"`), `"run"`)
			result, held, err = f.store.SaveStep(f.ctx, driver.Step{Fence: zombie.Fence, Key: "a", Result: json.RawMessage(`"zombie"`)})
			if held || err != nil || result != nil {
				f.Errorf("saved %s, %v, %v, want nothing", result, held, err)
			}
			equal(f.T, "the result recorded", string(f.claim(run.TaskID).Steps["a"]), `"run"`)
		}},
		{"against the next run", func(f *fixture[TTx]) {
			// What a run has recorded the next one knows; after that it records nothing.
			other := f.storeOn(f.again(), config.Config{})
			rounds := 400
			if f.exclusive() { // there a transaction is alone
				rounds = 50
			}
			run := f.begin()
			for n := range rounds {
				var next *driver.Claimed
				held, key := false, fmt.Sprint(n)
				f.atOnce(
					func() (err error) {
						_, held, err = f.store.SaveStep(f.ctx, driver.Step{Fence: run.Fence, Key: key, Result: json.RawMessage(`1`)})
						return err
					},
					func() (err error) {
						next, err = other.Claim(f.ctx, run.TaskID, run.JobID, f.tools, here)
						return err
					},
				)
				if known := next.Steps[key] != nil; known != held {
					f.Fatalf("round %d: the step was recorded: %v; the next run knows it: %v", n, held, known)
				}
				run = next
			}
		}},
		{"each task has its own", func(f *fixture[TTx]) {
			one, two := f.begin(), f.begin()
			equal(f.T, "the first's", f.saveStep(one.Fence, "a", `1`), `1`)
			equal(f.T, "the second's", f.saveStep(two.Fence, "a", `2`), `2`)
		}},
		{"keys", func(f *fixture[TTx]) {
			run := f.begin()
			keys := []string{"a", "A", "a ", "é", "e\u0301", "日本 \U0001F600", `'"\`, "%", strings.Repeat("k", 1000)}
			for _, key := range keys {
				f.saveStep(run.Fence, key, `1`)
			}
			steps := f.claim(run.TaskID).Steps
			equal(f.T, "the number of steps", len(steps), len(keys))
			for _, key := range keys {
				equal(f.T, "the step "+key, string(steps[key]), `1`)
			}
			for _, key := range []string{"a\x00", "a\xff"} {
				_, _, err := f.store.SaveStep(f.ctx, driver.Step{Fence: run.Fence, Key: key, Result: json.RawMessage(`1`)})
				f.wantError(err, mcptasks.ErrInvalid)
			}
		}},
	}
}

// saveStep records a step and returns what is recorded.
func (f *fixture[TTx]) saveStep(fence driver.Fence, key, result string) string {
	f.Helper()
	saved, held, err := f.store.SaveStep(f.ctx, driver.Step{Fence: fence, Key: key, Result: json.RawMessage(result)})
	f.must(err)
	equal(f.T, "held", held, true)
	return string(saved)
}
