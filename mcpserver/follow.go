package mcpserver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/wire"
)

// maxFollowed bounds how many live tasks a session is told of. Its client may ask
// for the others.
const maxFollowed = 1000

// A followed task is one that a session's client made or asked for.
type followed struct {
	id      string
	owner   mcptasks.Owner
	made    bool           // by this client, or it waits for the result: the task's questions are its to answer
	told    *mcptasks.Task // as the client knows it
	running bool
	waits   int // requests for its result that are under way
}

// follow tells the session's client of the task's changes from now on, and asks it
// what the task asks, whenever its line is open. Nothing is read while it is not. made
// says that the client made the task or waits for its result. One that only looks at
// it is asked when no such client is there to be asked: it may be a mere onlooker,
// whose refusal would be taken for the answer.
func (m *mount) follow(ctx context.Context, session *mcp.ServerSession, owner mcptasks.Owner, task *mcptasks.Task, made bool) {
	if task.Status.Terminal() {
		return
	}
	a := m.asker(ctx, session)
	if a == nil {
		return
	}
	if f := a.care(owner, task, made); f != nil && a.mayAsk(f) {
		a.ask(a.line.ctx, owner, task)
	}
}

// care follows the task, and returns nil if there are too many already.
func (a *asker) care(owner mcptasks.Owner, task *mcptasks.Task, made bool) *followed {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tasks[task.ID]
	if f == nil {
		if len(a.tasks) >= maxFollowed {
			return nil
		}
		f = &followed{id: task.ID, owner: owner, told: task}
		a.tasks[task.ID] = f
		a.start(f)
	}
	f.made = f.made || made
	return f
}

// mayAsk reports whether the client is to be asked what the task asks: it is open,
// and the task is its own or no client is there whose it is.
func (a *asker) mayAsk(f *followed) bool {
	a.mu.Lock()
	made, open := f.made, a.line.listening() != nil
	a.mu.Unlock()
	if made || !open {
		return open
	}
	a.m.mu.Lock()
	others := slices.Collect(maps.Values(a.m.askers))
	a.m.mu.Unlock()
	for _, other := range others {
		if other != a && other.hasOpen(f.id) {
			return false
		}
	}
	return true
}

// hasOpen reports whether the task is this client's own, and it can be asked.
func (a *asker) hasOpen(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tasks[id]
	return f != nil && f.made && (f.waits > 0 || a.line.listening() != nil)
}

// waits notes that the client waits for the task's result, until done is called.
func (a *asker) waits(owner mcptasks.Owner, task *mcptasks.Task) (done func()) {
	f := a.care(owner, task, true)
	if f == nil {
		return func() {}
	}
	add := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		f.waits += n
	}
	add(1)
	return func() { add(-1) }
}

// opened goes on with what was followed when the line was last open.
func (a *asker) opened() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.tasks {
		a.start(f)
	}
}

func (a *asker) start(f *followed) {
	if !f.running && a.line.listening() != nil {
		f.running = true
		go a.run(f)
	}
}

func (a *asker) run(f *followed) {
	for {
		a.mu.Lock()
		open := a.line.listening()
		if open == nil || a.line.ctx.Err() != nil {
			f.running = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		if ended := a.watch(open, f); ended {
			a.mu.Lock()
			delete(a.tasks, f.id)
			a.mu.Unlock()
			return
		}
	}
}

// watch tells of the task until it has ended, the line is closed, or a read fails.
func (a *asker) watch(open context.Context, f *followed) (ended bool) {
	for task, err := range a.m.runner.Watch(open, f.owner, f.id) {
		switch {
		case err != nil && open.Err() != nil:
			return false
		case errors.Is(err, mcptasks.ErrNotFound):
			return true
		case err != nil:
			a.m.readFailed(open, f.id, err)
			return false
		}
		if changed(f.told, task) {
			_ = a.line.notify(wire.NotificationStatus, wire.NewCoreTask(task)) // a client must not rely on it
			f.told = task
		}
		if a.mayAsk(f) || task.Status.Terminal() {
			a.ask(a.line.ctx, f.owner, task)
		}
		if task.Status.Terminal() {
			return true
		}
	}
	return false
}

// readFailed waits a little after a failed read, so that one that goes on failing is
// not tried again at once.
func (m *mount) readFailed(ctx context.Context, id string, err error) {
	m.opts.Logger.WarnContext(ctx, "mcptasks: a task could not be watched for its client; trying again", "task_id", id, "error", err)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}

// changed reports whether a client that knows one should be told of the other.
func changed(told, task *mcptasks.Task) bool {
	return told == nil || told.Status != task.Status || told.StatusMessage != task.StatusMessage || !told.UpdatedAt.Equal(task.UpdatedAt)
}
