package storetest

import (
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

func statusTests[TTx any]() []test[TTx] {
	tests := []test[TTx]{{"finish against cancel", finishAgainstCancel[TTx]}}
	for _, from := range mcptasks.Statuses() {
		tests = append(tests, test[TTx]{"from " + string(from), func(f *fixture[TTx]) { movesFrom(f, from) }})
	}
	return tests
}

// movesFrom tries every write on a task in the status, each on a task of its own.
// What moves the status must be a legal move, and every legal move for which there
// is a write must be made.
func movesFrom[TTx any](f *fixture[TTx], from mcptasks.Status) {
	moves := map[string]struct {
		to    mcptasks.Status
		fence bool // only a run may, and only of a working task
		write func(driver.Fence) error
	}{
		"Cancel": {mcptasks.StatusCancelled, false, func(fence driver.Fence) error {
			_, err := f.store.Cancel(f.ctx, alice, fence.TaskID)
			return err
		}},
		"CancelTx": {mcptasks.StatusCancelled, false, func(fence driver.Fence) error {
			return f.driver.InTx(f.ctx, func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, alice, fence.TaskID) })
		}},
		"Operator.Cancel": {mcptasks.StatusCancelled, false, func(fence driver.Fence) error {
			return f.store.Operator().Cancel(f.ctx, fence.TaskID)
		}},
		"Answer": {mcptasks.StatusWorking, false, func(fence driver.Fence) error {
			return f.answer(fence.TaskID, "a")
		}},
		"Operator.Answer": {mcptasks.StatusWorking, false, func(fence driver.Fence) error {
			return f.store.Operator().Answer(f.ctx, fence.TaskID, answers("a"))
		}},
		"RecoverLost": {from, false, func(fence driver.Fence) error {
			f.startJob(fence.JobID, "n")
			_, err := f.store.RecoverLost(f.ctx, driver.Job{ID: fence.JobID, TaskID: fence.TaskID, Node: "n"}, "n")
			return err
		}},
		"Reap": {from, false, func(fence driver.Fence) error {
			f.startJob(fence.JobID, "n")
			_, err := f.store.Reap(f.ctx, "m", time.Minute, always)
			return err
		}},
	}
	for name, write := range f.writes() {
		move := moves[name]
		move.fence = true
		move.write = func(fence driver.Fence) error {
			_, err := write(fence)
			return err
		}
		switch name {
		case "Finish":
			move.to = mcptasks.StatusCompleted
		case "Finish, failed":
			move.to = mcptasks.StatusFailed
		case "Park":
			move.to = mcptasks.StatusInputRequired
		default:
			move.to = from
		}
		moves[name] = move
	}

	for name, move := range moves {
		run := f.begin()
		f.put(run, from)
		before := f.get(run.TaskID)
		err := move.write(run.Fence)
		after := f.get(run.TaskID)

		want := from
		if from.CanBecome(move.to) && (!move.fence || from == mcptasks.StatusWorking) {
			want = move.to
		}
		equal(f.T, name+" makes of "+string(from)+" a status which", after.Status, want)
		if after.Status != before.Status && !before.Status.CanBecome(after.Status) {
			f.Errorf("%s moved a task from %s to %s", name, before.Status, after.Status)
		}
		if from.Terminal() && !reflect.DeepEqual(after, before) {
			f.Errorf("%s changed a task that had ended from %+v to %+v", name, before, after)
		}
		if refused := from.Terminal() && errors.Is(err, mcptasks.ErrTerminal); err != nil && !refused {
			f.Errorf("%s from %s: %v", name, from, err)
		}
	}
}

// put brings a run's task into the status.
func (f *fixture[TTx]) put(run *driver.Claimed, status mcptasks.Status) {
	f.Helper()
	switch status {
	case mcptasks.StatusInputRequired:
		f.park(run, "a")
	case mcptasks.StatusCompleted:
		f.finish(run.Fence, result(`{}`))
	case mcptasks.StatusFailed:
		f.finish(run.Fence, failure.Outcome("no"))
	case mcptasks.StatusCancelled:
		f.cancel(run.TaskID)
	}
}

func finishAgainstCancel[TTx any](f *fixture[TTx]) {
	const rounds = 1000
	finishes := 0
	for _, run := range f.beginAll(rounds) {
		var (
			start     = make(chan struct{})
			both      sync.WaitGroup
			held      bool
			finishErr error
			cancelled *mcptasks.Task
			cancelErr error
		)
		both.Go(func() {
			<-start
			held, finishErr = f.store.Finish(f.ctx, run.Fence, run.Tool, result(`{"a":1}`), driver.Event{})
		})
		both.Go(func() {
			<-start
			cancelled, cancelErr = f.store.Cancel(f.ctx, alice, run.TaskID)
		})
		close(start)
		both.Wait()

		f.must(finishErr)
		want := mcptasks.StatusCancelled
		if held {
			finishes++
			want = mcptasks.StatusCompleted
			f.wantError(cancelErr, mcptasks.ErrTerminal)
		} else {
			f.must(cancelErr)
		}
		equal(f.T, "the status Cancel returned", cancelled.Status, want)
		for range 2 {
			if got := f.get(run.TaskID); !reflect.DeepEqual(got, cancelled) {
				f.Fatalf("the task is %+v, was %+v", got, cancelled)
			}
		}
	}
	f.Logf("%d of %d were finished first", finishes, rounds)
}
