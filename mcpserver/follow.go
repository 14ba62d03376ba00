package mcpserver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// maxFollowed bounds how many live tasks a session is told of. Its client may ask
// for the others.
const maxFollowed = 1000

// A followed task is one that a session's client made or asked for.
type followed struct {
	id      string
	owner   mcptasks.Owner
	made    bool           // by this client
	told    *mcptasks.Task // as the client knows it
	running bool
}

// follow tells the session's client of the task's changes from now on, and asks it
// what the task asks, whenever its line is open. Nothing is read while it is not. made
// says that the client made the task. One that only looks at it is asked when the one
// that made it, or that waits for it, is not there to be asked: it may be a mere
// onlooker, whose refusal would be taken for the answer. That holds for the sessions of
// this process; of those on other nodes, where the maker's may be, it knows nothing, as
// sessions are not in the database.
func (m *mount) follow(ctx context.Context, session *mcp.ServerSession, owner mcptasks.Owner, task *mcptasks.Task, made bool) {
	a := m.asker(ctx, session)
	if a == nil {
		return
	}
	a.withdraw(task)
	if a.care(owner, task, made) {
		a.askListening(owner, task)
	}
}

// care follows the task unless it has ended, or there are too many already.
func (a *asker) care(owner mcptasks.Owner, task *mcptasks.Task, made bool) bool {
	if task.Status.Terminal() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tasks[task.ID]
	if f == nil {
		if len(a.tasks) >= maxFollowed {
			return false
		}
		f = &followed{id: task.ID, owner: owner, told: task}
		a.tasks[task.ID] = f
		a.start(f)
	}
	f.made = f.made || made
	return true
}

// askListening asks the client what the task asks, if its line is open: all of it if the
// task is the client's own, else what no client is there to answer whose it is.
func (a *asker) askListening(owner mcptasks.Owner, task *mcptasks.Task) {
	if a.line.listening() == nil {
		return
	}
	if made, waits := a.has(owner, task.ID); made || waits {
		a.ask(a.line.ctx, owner, task, nil)
		return
	}
	a.m.mu.Lock()
	all := slices.Collect(maps.Values(a.m.askers))
	a.m.mu.Unlock()
	a.ask(a.line.ctx, owner, task, func(key string) bool {
		return !slices.ContainsFunc(all, func(other *asker) bool { return other != a && other.isThere(owner, task, key) })
	})
}

// isThere reports whether the task is this client's, and it can be asked the question: it
// has not refused to answer it.
func (a *asker) isThere(owner mcptasks.Owner, task *mcptasks.Task, key string) bool {
	made, waits := a.has(owner, task.ID)
	if !waits && (!made || a.line.listening() == nil) || a.line.ctx.Err() != nil {
		return false
	}
	return a.answers(task.Questions[key].Method) && !a.hasRefused(task.ID, key)
}

// has reports whether the client made the task, and whether it waits for it.
func (a *asker) has(owner mcptasks.Owner, id string) (made, waits bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.tasks[id]
	return f != nil && f.made, a.waiting[waited{owner, id}] > 0
}

// A waited task is one whose end requests of the client wait for. The owner is the
// requests': they may wait for one that is another's, or that there is not.
type waited struct {
	owner mcptasks.Owner
	id    string
}

// waits notes that a request of the client waits for the task, until done is called.
func (a *asker) waits(owner mcptasks.Owner, id string) (done func()) {
	task := waited{owner, id}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[task]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.waiting[task]--; a.waiting[task] == 0 {
			delete(a.waiting, task)
		}
	}
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
			a.forget(f.id)
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
			_ = a.line.notify(mcpwire.NotificationStatus, mcpwire.NewCoreTask(task)) // a client must not rely on it
			f.told = task
		}
		a.withdraw(task)
		a.askListening(f.owner, task)
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
