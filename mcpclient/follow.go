package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

const (
	defaultPoll = time.Second // where the server says nothing
	minPoll     = 100 * time.Millisecond
	maxPoll     = 5 * time.Minute

	// attemptTime bounds one request about a task: a connection may be dead without
	// a sign. An answer may be large, and its way slow.
	attemptTime = 2 * time.Minute

	// cancelTime bounds the cancellation of a task whose caller has gone.
	cancelTime = 5 * time.Second
)

const resumeHint = "Resume with the task's id goes on, from this or another session"

// CallTool calls a tool and returns its result, as [mcp.ClientSession.CallTool]
// does; a call that became a task is followed to its end. params are not modified.
//
// The task is polled at the interval the server asks for, within 100 ms and 5
// minutes; notifications are not used. Its questions are put to the handlers in the
// client's options, several at once, each once: one whose handler is at work is not
// asked again, and the handler's context ends when the question is no longer open.
// CallTool does not wait for a handler whose answer is of no more use. While the
// server is down CallTool tries again, without end; a call whose delivery is in
// doubt is not made again.
//
// When ctx ends the task is cancelled, which takes no longer than 5 seconds, and
// ctx's error returned. If ctx ends before the server has answered the call, the
// task it may have begun is not known and not cancelled.
//
// The JSON-RPC error of a task that failed is returned as that of a call: as a
// *[jsonrpc.Error] within. A task that someone else cancelled gives
// [mcptasks.ErrCancelled]. A handler's error, an answer that the server refuses, and
// a question that the client has no handler for are returned, too, and the task,
// whose id is in the error, goes on waiting: [Session.Resume] asks again.
func (s *Session) CallTool(ctx context.Context, params *mcp.CallToolParams) (*mcp.CallToolResult, error) {
	var started *Started
	err := s.persist(ctx, 0, func(ctx context.Context) (err error) {
		started, err = s.start(ctx, params)
		return err
	})
	if err != nil {
		return nil, &mcptasks.Error{Op: "call", Err: err}
	}
	if started.Task == nil {
		return started.Result, nil
	}
	id := started.Task.ID
	task, err := s.follow(ctx, id, started.Task)
	if ctx.Err() != nil && task == nil {
		return nil, s.abandon(ctx, id)
	}
	return outcome("call", id, task, err)
}

// abandon cancels a task that nobody will ask for, and returns the error of its
// call.
func (s *Session) abandon(ctx context.Context, id string) error {
	e := &mcptasks.Error{Op: "call", TaskID: id, Err: ctx.Err()}
	if cause := context.Cause(ctx); !errors.Is(e.Err, cause) {
		e.Err = fmt.Errorf("%w: %w", e.Err, cause)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	err := s.persist(ctx, attemptTime, func(ctx context.Context) error { return s.cancel(ctx, id) })
	if err != nil && !errors.Is(err, mcptasks.ErrNotFound) {
		e.Err = fmt.Errorf("%w; it may go on, it could not be cancelled: %w", e.Err, err)
		e.Hint = resumeHint
	}
	return e
}

// Resume follows a task to its end as [Session.CallTool] does, and returns the
// same. The id may come from any session, of whichever protocol version, that the
// server takes for the same client. When ctx ends the task is left alone. An id
// that is unknown to the server, expired, or not this client's gives
// [mcptasks.ErrNotFound].
func (s *Session) Resume(ctx context.Context, id string) (*mcp.CallToolResult, error) {
	task, err := s.follow(ctx, id, nil)
	return outcome("resume", id, task, err)
}

func outcome(op, id string, task *Task, err error) (*mcp.CallToolResult, error) {
	var result *mcp.CallToolResult
	if err == nil {
		result, err = task.CallToolResult()
	} else if task == nil && !errors.Is(err, mcptasks.ErrNotFound) {
		return nil, &mcptasks.Error{Op: op, TaskID: id, Err: err, Hint: resumeHint}
	}
	if err != nil {
		return nil, &mcptasks.Error{Op: op, TaskID: id, Err: err}
	}
	return result, nil
}

// follower follows one task to its end.
type follower struct {
	session *Session
	id      string

	asked    map[string]*asked
	answered chan reply // from the goroutines that wait for handlers

	waiting bool       // for tasks/result, in which a server of 2025-11-25 asks
	ended   chan error // of tasks/result
}

// asked is a question that was put to the client.
type asked struct {
	key      string
	stop     context.CancelFunc
	open     bool            // the last poll showed it
	response json.RawMessage // of the handler, once there is one
	err      error           // of the handler, or of the server that refused the response
}

// reply is what a handler returned.
type reply struct {
	question *asked
	response json.RawMessage
	err      error
}

// follow returns the task that has ended. handle is what is known of it, nil if
// nothing is.
func (s *Session) follow(ctx context.Context, id string, handle *Task) (*Task, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f := &follower{session: s, id: id, asked: make(map[string]*asked), answered: make(chan reply), ended: make(chan error, 1)}

	var wait time.Duration
	if handle != nil {
		s.observe(ctx, handle)
		if handle.Status == mcptasks.StatusWorking { // else there is something to read
			wait = pollInterval(handle)
		}
	}
	for {
		if err := f.wait(ctx, wait); err != nil {
			return nil, err
		}
		var task *Task
		err := s.persist(ctx, attemptTime, func(ctx context.Context) (err error) {
			task, err = s.get(ctx, id)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.observe(ctx, task)
		if task.Status.Terminal() {
			return task, nil
		}
		if err := f.ask(ctx, task); err != nil {
			return nil, err
		}
		wait = pollInterval(task)
	}
}

func (s *Session) observe(ctx context.Context, task *Task) {
	if s.client.onTask != nil {
		shown := *task
		s.client.onTask(ctx, &shown)
	}
}

func pollInterval(task *Task) time.Duration {
	if task.PollInterval == 0 {
		return defaultPoll
	}
	return min(max(task.PollInterval, minPoll), maxPoll)
}

// wait returns when it is time for the next poll. Meanwhile it sends the answers
// that handlers give.
func (f *follower) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-f.session.closed:
			return errClosed
		case reply := <-f.answered:
			if err := f.take(ctx, reply); err != nil {
				return err
			}
			if reply.question.err != nil { // it matters only if the question is still open
				timer.Reset(0)
			}
		case err := <-f.ended:
			f.waiting = false
			if err == nil { // the task has ended
				timer.Reset(minPoll)
			}
		}
	}
}

// take sends a handler's answer, unless it is of no more use.
func (f *follower) take(ctx context.Context, reply reply) error {
	question := reply.question
	switch {
	case !question.open:
		return nil
	case reply.err != nil:
		question.err = &lasting{fmt.Errorf("the question %.100q was not answered: %w", question.key, reply.err)}
		return nil
	default:
		question.response = reply.response
		return f.send(ctx, question)
	}
}

// ask sees to it that each open question is being answered.
func (f *follower) ask(ctx context.Context, task *Task) error {
	for key, question := range f.asked {
		if _, ok := task.Questions[key]; !ok {
			question.open = false
			question.stop()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(task.Questions)) {
		switch question := f.asked[key]; {
		case question == nil, !question.open && question.response == nil:
			f.put(ctx, key, task.Questions[key])
		case question.err != nil:
			return question.err
		case question.response != nil: // acknowledged, and still shown: keys are never reused
			question.open = true
			if err := f.send(ctx, question); err != nil {
				return err
			}
			if question.err != nil {
				return question.err
			}
		}
	}
	if task.Status == mcptasks.StatusInputRequired && len(task.Questions) == 0 && !f.waiting {
		f.await(ctx)
	}
	return nil
}

// put puts a question to the client's handler. Nobody waits for a handler that
// does not mind its context.
func (f *follower) put(ctx context.Context, key string, question mcptasks.Question) {
	ctx, stop := context.WithCancel(ctx)
	a := &asked{key: key, stop: stop, open: true}
	f.asked[key] = a
	go func() {
		response, err := f.session.handle(ctx, question)
		select {
		case f.answered <- reply{a, response, err}:
		case <-ctx.Done():
		}
	}()
}

// send sends the answer to a question. That the server refuses it is kept with the
// question, which may have been answered elsewhere.
func (f *follower) send(ctx context.Context, question *asked) error {
	responses := map[string]json.RawMessage{question.key: question.response}
	err := f.session.persist(ctx, attemptTime, func(ctx context.Context) error {
		return f.session.do(ctx, func(ctx context.Context, l *link) error { return l.update(ctx, f.id, responses) })
	})
	var answered *refused
	if errors.As(err, &answered) {
		question.err = &lasting{fmt.Errorf("the answer to the question %.100q was refused: %w", question.key, err)}
		return nil
	}
	return err
}

// await waits for tasks/result in the background: a server of 2025-11-25 asks on
// its stream, and the SDK answers.
func (f *follower) await(ctx context.Context) {
	s := f.session
	s.mu.Lock()
	l := s.live
	s.mu.Unlock()
	if generation, err := l.generation(); err != nil || generation != core {
		return
	}
	f.waiting = true
	go func() {
		_, err := l.result(ctx, f.id)
		var answered *refused
		if errors.As(err, &answered) && answered.rpc.Code != jsonrpc.CodeInvalidParams && answered.rpc.Code != jsonrpc.CodeMethodNotFound {
			err = nil // it is the task's
		}
		f.ended <- err
	}()
}

// handle puts a question to the handlers of the client's options, through the SDK,
// which checks questions and answers as if the server had asked by itself.
func (s *Session) handle(ctx context.Context, question mcptasks.Question) (json.RawMessage, error) {
	data, err := json.Marshal(map[string]any{"": map[string]any{"method": question.Method, "params": question.Params}})
	if err != nil {
		return nil, err
	}
	var requests mcp.InputRequestMap
	if err := json.Unmarshal(data, &requests); err != nil {
		return nil, err
	}
	s.mu.Lock()
	session := s.live.ClientSession
	s.mu.Unlock()
	var request mcp.Request
	switch params := requests[""].(type) {
	case *mcp.ElicitParams:
		request = &mcp.ElicitRequest{Session: session, Params: params}
	case *mcp.CreateMessageWithToolsParams: //nolint:staticcheck // deprecated, and in force
		request = &mcp.CreateMessageWithToolsRequest{Session: session, Params: params}
	default:
		return nil, fmt.Errorf("a task cannot ask %.100q", question.Method)
	}
	result, err := s.client.handle(ctx, question.Method, request)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
