package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// An asker asks the client of one 2025-11-25 session what the tasks it cares for
// ask, each question once, and tells it how they stand (follow.go).
type asker struct {
	m       *mount
	session *mcp.ServerSession
	line    *line

	call *callWait // of the plain call that this is an asker for; nil for a session's

	mu      sync.Mutex
	asked   map[string]map[string]asked // by task, until it is known to have ended, and key
	tasks   map[string]*followed        // by id, until it is known to have ended
	waiting map[waited]int              // requests that wait for a task to end
}

// An asked question is one that the client has, or has had.
type asked struct {
	withdraw context.CancelFunc
	since    time.Time // when the task that asked it was changed
	refused  bool      // it was answered with an error, or with what is no answer
}

// asker returns the asker of the request's session, nil if nothing can be sent to it
// but answers.
func (m *mount) asker(ctx context.Context, session *mcp.ServerSession) *asker {
	line := contextLine(ctx)
	if line == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.askers[line]; ok {
		return a
	}
	a := &asker{
		m: m, session: session, line: line,
		asked:   make(map[string]map[string]asked),
		tasks:   make(map[string]*followed),
		waiting: make(map[waited]int),
	}
	m.askers[line] = a
	context.AfterFunc(line.ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.askers, line)
	})
	go func() {
		_ = session.Wait()
		line.end()
	}()
	line.whenOpened(a.opened)
	return a
}

// forCall returns an asker for a plain call of the client's, on whose stream it asks.
func (a *asker) forCall(wait *callWait) *asker {
	return &asker{m: a.m, session: a.session, line: a.line, call: wait, asked: make(map[string]map[string]asked)}
}

// withdraw withdraws the task's questions that are open no more: they were answered
// elsewhere, or the task has ended, and is forgotten.
func (a *asker) withdraw(task *mcptasks.Task) {
	if task.Status.Terminal() {
		a.forget(task.ID)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, question := range a.asked[task.ID] {
		if _, open := task.Questions[key]; !open && !task.UpdatedAt.Before(question.since) { // else it was read before
			question.withdraw()
		}
	}
}

// forget withdraws all that was asked for the task, and follows it no more.
func (a *asker) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, question := range a.asked[id] {
		question.withdraw()
	}
	delete(a.asked, id)
	delete(a.tasks, id)
}

// ask sends the task's open questions that the client has not been asked, and may be if
// may is not nil. ctx says on which stream: that of the request whose context it is, else
// the session's own. What cannot be sent is sent when the client is next heard of.
//
// What was sent is never sent again in the session, even if the stream broke just then
// and the client has not answered. Nobody can tell whether the client has read it. If it
// has, its answer is as good as ever: it comes on a request of its own, the SDK still
// waits for it, and a broken stream is no cancellation (MCP 2025-11-25, Transports). To
// ask again would put the question to a person twice, each time a proxy cuts off an idle
// stream. If it has not, it can go on with the stream and read it there, given an
// EventStore; that is MCP's own answer to lost messages. Else the question is left to the
// client's next session, to others, and to its deadline.
func (a *asker) ask(ctx context.Context, owner mcptasks.Owner, task *mcptasks.Task, may func(key string) bool) {
	if task.Status != mcptasks.StatusInputRequired {
		return
	}
	keys := slices.Sorted(maps.Keys(task.Questions))
	if may != nil { // it takes other askers' locks
		keys = slices.DeleteFunc(keys, func(key string) bool { return !may(key) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	questions := a.asked[task.ID]
	if questions == nil {
		questions = make(map[string]asked)
		a.asked[task.ID] = questions
	}
	for _, key := range keys {
		question := task.Questions[key]
		if _, already := questions[key]; already || !a.answers(question.Method) {
			continue
		}
		asking, withdraw := context.WithCancel(context.WithoutCancel(ctx))
		questions[key] = asked{withdraw: withdraw, since: task.UpdatedAt}
		id := task.ID
		a.call.hold()
		go func() {
			defer a.call.release()
			defer withdraw()
			defer context.AfterFunc(a.line.ctx, withdraw)()
			a.put(asking, owner, id, key, question)
		}()
	}
}

// answers reports whether the client has said that it answers such questions. One
// that does not is left to others: another session, or the question's deadline.
func (a *asker) answers(method string) bool {
	params := a.session.InitializeParams()
	if params == nil || params.Capabilities == nil {
		return false
	}
	if method == mcptasks.MethodSample {
		return params.Capabilities.Sampling != nil //nolint:staticcheck // 2025-11-25 has it
	}
	return params.Capabilities.Elicitation != nil
}

// put asks one question and stores its answer.
func (a *asker) put(ctx context.Context, owner mcptasks.Owner, id, key string, question mcptasks.Question) {
	response, err := a.send(ctx, id, question)
	if undelivered(err) && a.line.listening() != nil { // the request's stream is gone; the session's is there
		elsewhere, stop := context.WithCancel(a.line.ctx)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		response, err = a.send(elsewhere, id, question)
	}
	switch {
	case undelivered(err):
		a.mu.Lock()
		delete(a.asked[id], key)
		a.mu.Unlock()
	case ctx.Err() != nil:
	case err != nil:
		a.m.opts.Logger.InfoContext(ctx, "mcptasks: a client did not answer a question; it stays open", "task_id", id, "error", err)
		a.refuse(id, key)
	default:
		if fits := a.answer(ctx, owner, id, key, response); !fits {
			a.refuse(id, key)
		}
	}
}

// refuse notes that the client will not answer the question: it is left to others.
func (a *asker) refuse(id, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if question, ok := a.asked[id][key]; ok {
		question.refused = true
		a.asked[id][key] = question
	}
}

func (a *asker) hasRefused(id, key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[id][key].refused
}

// send sends the question and waits for the client's result.
func (a *asker) send(ctx context.Context, id string, question mcptasks.Question) (json.RawMessage, error) {
	if question.Method == mcptasks.MethodSample {
		return a.sample(ctx, id, question.Params)
	}
	var params mcp.ElicitParams
	if err := json.Unmarshal(question.Params, &params); err != nil {
		return nil, err
	}
	params.Meta = a.relate(params.Meta, id)
	result, err := a.session.Elicit(ctx, &params)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func (a *asker) sample(ctx context.Context, id string, data json.RawMessage) (json.RawMessage, error) {
	var params mcp.CreateMessageWithToolsParams //nolint:staticcheck // 2025-11-25 has it
	if err := json.Unmarshal(data, &params); err != nil {
		return nil, err
	}
	if len(params.Tools) > 0 {
		params.Meta = a.relate(params.Meta, id)
		result, err := a.session.CreateMessageWithTools(ctx, &params) //nolint:staticcheck // 2025-11-25 has it
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
	var plain mcp.CreateMessageParams //nolint:staticcheck // 2025-11-25 has it
	if err := json.Unmarshal(data, &plain); err != nil {
		return nil, err
	}
	plain.Meta = a.relate(plain.Meta, id)
	result, err := a.session.CreateMessage(ctx, &plain) //nolint:staticcheck // 2025-11-25 has it
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// relate names the task in a question's _meta, if the client knows of the task.
func (a *asker) relate(meta mcp.Meta, id string) mcp.Meta {
	if a.call != nil {
		return meta
	}
	return mcpwire.RelateTask(meta, id)
}

// undelivered reports whether err is the SDK's for a message that it could not send.
func undelivered(err error) bool {
	const rejectedByTransport = -32005
	var e *jsonrpc.Error
	return errors.As(err, &e) && e.Code == rejectedByTransport
}

// answer stores an answer. The client will not give it again: a database that is away
// is waited for, as long as is sensible. It reports whether the answer is one.
func (a *asker) answer(ctx context.Context, owner mcptasks.Owner, id, key string, response json.RawMessage) (fits bool) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		err := a.m.runner.Answer(ctx, owner, id, map[string]json.RawMessage{key: response})
		switch {
		case err == nil, errors.Is(err, mcptasks.ErrNotFound):
			return true
		case errors.Is(err, mcptasks.ErrInvalid):
			a.m.opts.Logger.InfoContext(ctx, "mcptasks: a client's answer does not fit its question, which stays open", "task_id", id, "error", err)
			return false
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			a.m.opts.Logger.ErrorContext(ctx, "mcptasks: a client's answer could not be stored", "task_id", id, "error", err)
			return true
		}
	}
}
