package session

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

// A pendingQuestion is one that the client has been asked.
type pendingQuestion struct {
	withdraw context.CancelFunc
	since    time.Time // when the task was last changed before it was asked
	rejected bool      // the client replied with an error, or with an invalid answer
}

// Withdraw withdraws the task's questions that are no longer open, because they were
// answered elsewhere. It forgets a task that has ended.
func (s *Session) Withdraw(task *mcptasks.Task) {
	if task.Status.Terminal() {
		s.Forget(task.ID)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, question := range s.pending[task.ID] {
		if _, open := task.Questions[key]; !open && !task.UpdatedAt.Before(question.since) { // otherwise the task was read before the question was asked
			question.withdraw()
		}
	}
}

// Forget withdraws all questions of the task, and no longer follows it.
func (s *Session) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, question := range s.pending[id] {
		question.withdraw()
	}
	delete(s.pending, id)
	delete(s.tasks, id)
}

// Ask sends the task's open questions that the client has not been asked yet. If may is
// not nil, it sends those for which may returns true. ctx says on which stream: that of
// the request whose context it is, or else the session's push stream. A question that
// cannot be sent is sent when the client next sends a request.
//
// A question is never sent again in the session, even if the stream broke while it was
// sent and the client has not answered. Nobody can tell whether the client has read it.
// If it has, its answer still counts: it comes in a request of its own, the SDK waits for
// it, and a broken stream is not a cancellation (MCP 2025-11-25, Transports). To ask again
// would put the question to a person twice, each time a proxy closes an idle stream. If
// the client has not read it, it can resume the stream and read it there, given an
// EventStore, which is MCP's own answer to lost messages. Otherwise the question is left
// to the client's next session, to other clients, and to its deadline.
func (s *Session) Ask(ctx context.Context, owner mcptasks.Owner, task *mcptasks.Task, may func(key string) bool) {
	if task.Status != mcptasks.StatusInputRequired {
		return
	}
	keys := slices.Sorted(maps.Keys(task.Questions))
	if may != nil { // it takes the locks of other sessions
		keys = slices.DeleteFunc(keys, func(key string) bool { return !may(key) })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	questions := s.pending[task.ID]
	if questions == nil {
		questions = make(map[string]pendingQuestion)
		s.pending[task.ID] = questions
	}
	for _, key := range keys {
		question := task.Questions[key]
		if _, already := questions[key]; already || !s.answers(question.Method) {
			continue
		}
		asking, withdraw := context.WithCancel(context.WithoutCancel(ctx))
		questions[key] = pendingQuestion{withdraw: withdraw, since: task.UpdatedAt}
		id := task.ID
		s.wait.hold()
		go func() {
			defer s.wait.release()
			defer withdraw()
			defer context.AfterFunc(s.stream.Context(), withdraw)()
			s.askOne(asking, owner, id, key, question)
		}()
	}
}

// answers reports whether the client has declared that it answers such questions. A
// question that it does not answer is left to other sessions, and to its deadline.
func (s *Session) answers(method string) bool {
	params := s.client.InitializeParams()
	if params == nil || params.Capabilities == nil {
		return false
	}
	if method == mcptasks.MethodSample {
		return params.Capabilities.Sampling != nil //nolint:staticcheck // 2025-11-25 has it
	}
	return params.Capabilities.Elicitation != nil
}

// askOne asks one question and stores its answer.
func (s *Session) askOne(ctx context.Context, owner mcptasks.Owner, id, key string, question mcptasks.Question) {
	response, err := s.send(ctx, id, question)
	if undelivered(err) && s.stream.WhileOpen() != nil { // the request's stream is gone, but the push stream is open
		elsewhere, stop := context.WithCancel(s.stream.Context())
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		response, err = s.send(elsewhere, id, question)
	}
	switch {
	case undelivered(err):
		s.mu.Lock()
		delete(s.pending[id], key)
		s.mu.Unlock()
	case ctx.Err() != nil:
	case err != nil:
		s.service.Log.InfoContext(ctx, "mcptasks: a client did not answer a question, which stays open", "task_id", id, "error", err)
		s.reject(id, key)
	default:
		if valid := s.answer(ctx, owner, id, key, response); !valid {
			s.reject(id, key)
		}
	}
}

// reject notes that the client will not answer the question: it is left to others.
func (s *Session) reject(id, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if question, ok := s.pending[id][key]; ok {
		question.rejected = true
		s.pending[id][key] = question
	}
}

func (s *Session) hasRejected(id, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending[id][key].rejected
}

// send sends the question and waits for the client's result.
func (s *Session) send(ctx context.Context, id string, question mcptasks.Question) (json.RawMessage, error) {
	if question.Method == mcptasks.MethodSample {
		return s.sample(ctx, id, question.Params)
	}
	var params mcp.ElicitParams
	if err := json.Unmarshal(question.Params, &params); err != nil {
		return nil, err
	}
	params.Meta = s.relate(params.Meta, id)
	result, err := s.client.Elicit(ctx, &params)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func (s *Session) sample(ctx context.Context, id string, data json.RawMessage) (json.RawMessage, error) {
	var params mcp.CreateMessageWithToolsParams //nolint:staticcheck // 2025-11-25 has it
	if err := json.Unmarshal(data, &params); err != nil {
		return nil, err
	}
	if len(params.Tools) > 0 {
		params.Meta = s.relate(params.Meta, id)
		result, err := s.client.CreateMessageWithTools(ctx, &params) //nolint:staticcheck // 2025-11-25 has it
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
	var plain mcp.CreateMessageParams //nolint:staticcheck // 2025-11-25 has it
	if err := json.Unmarshal(data, &plain); err != nil {
		return nil, err
	}
	plain.Meta = s.relate(plain.Meta, id)
	result, err := s.client.CreateMessage(ctx, &plain) //nolint:staticcheck // 2025-11-25 has it
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// relate names the task in a question's _meta, unless the client does not know that there
// is a task.
func (s *Session) relate(meta mcp.Meta, id string) mcp.Meta {
	if s.wait != nil {
		return meta
	}
	return mcpwire.RelateTask(meta, id)
}

// undelivered reports whether err is the SDK's error for a message that it could not send.
func undelivered(err error) bool {
	const rejectedByTransport = -32005
	var e *jsonrpc.Error
	return errors.As(err, &e) && e.Code == rejectedByTransport
}

// answer stores an answer, and reports whether it is valid. The client will not send it
// again, so answer waits for a database that does not answer, for up to a minute.
func (s *Session) answer(ctx context.Context, owner mcptasks.Owner, id, key string, response json.RawMessage) (valid bool) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		err := s.service.Answer(ctx, owner, id, map[string]json.RawMessage{key: response})
		switch {
		case err == nil, errors.Is(err, mcptasks.ErrNotFound):
			return true
		case errors.Is(err, mcptasks.ErrInvalid):
			s.service.Log.InfoContext(ctx, "mcptasks: a client's answer is not valid for its question, which stays open", "task_id", id, "error", err)
			return false
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			s.service.Log.ErrorContext(ctx, "mcptasks: a client's answer could not be stored", "task_id", id, "error", err)
			return true
		}
	}
}
