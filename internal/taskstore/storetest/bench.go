package storetest

import (
	"encoding/json"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Bench runs what a task costs at least on the driver: its creation, its run's
// beginning and end, polls, and a page of the list. The database is a fresh one.
func Bench[TTx any](b *testing.B, driver driver.Driver[TTx]) {
	s, err := taskstore.New(driver, config.Default(), newNotifier())
	if err != nil {
		b.Fatal(err)
	}
	f := &benchmark[TTx]{driver: driver, store: s, tool: newTool("report", nil)}
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			f.create(b)
		}
	})
	b.Run("create in parallel", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f.create(b)
			}
		})
	})
	b.Run("claim and finish", func(b *testing.B) {
		ids, jobs := make([]string, b.N), make([]int64, b.N)
		for i := range ids {
			ids[i] = f.create(b)
			jobs[i] = f.job(b, ids[i])
		}
		b.ResetTimer()
		for i, id := range ids {
			f.run(b, id, jobs[i])
		}
	})
	b.Run("get", func(b *testing.B) {
		id := f.create(b)
		f.run(b, id, f.job(b, id))
		for b.Loop() {
			if task, err := s.Get(b.Context(), alice, id); err != nil || task.Outcome == nil {
				b.Fatalf("Get returned %+v, %v", task, err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if page, err := s.List(b.Context(), alice, "", 0); err != nil || len(page.Tasks) == 0 {
				b.Fatalf("List returned %+v, %v", page, err)
			}
		}
	})
}

type benchmark[TTx any] struct {
	driver driver.Driver[TTx]
	store  *taskstore.Store[TTx]
	tool   *mcptasks.Tool
}

func (f *benchmark[TTx]) create(b *testing.B) string {
	tasks, err := f.store.Create(b.Context(), []taskstore.NewTask{{
		Owner: alice, Tool: f.tool,
		Params: mcptasks.CreateParams{Tool: f.tool.Name, Arguments: json.RawMessage(`{"topic":"tides"}`)},
	}})
	if err != nil {
		b.Error(err) // perhaps not on the benchmark's goroutine
		return ""
	}
	return tasks[0].ID
}

func (f *benchmark[TTx]) job(b *testing.B, id string) (job int64) {
	err := f.driver.InTx(b.Context(), func(tx TTx) error {
		locked, err := f.driver.Lock(b.Context(), tx, id, false)
		if err == nil {
			job = locked.JobID
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return job
}

func (f *benchmark[TTx]) run(b *testing.B, id string, job int64) {
	claimed, err := f.store.Claim(b.Context(), id, job, []string{f.tool.Name}, "n")
	if err != nil || claimed == nil {
		b.Fatalf("Claim returned %+v, %v", claimed, err)
	}
	outcome := &mcptasks.Outcome{Result: json.RawMessage(`{"content":[{"type":"text","text":"High water at dawn."}]}`)}
	if held, err := f.store.Finish(b.Context(), claimed.Fence, f.tool.Name, outcome, driver.Event{}); err != nil || !held {
		b.Fatalf("Finish returned %t, %v", held, err)
	}
}
