package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// questionState is what a follower knows of one question.
type questionState struct {
	key    string
	stop   context.CancelFunc // ends the handler's context
	open   bool               // the last poll showed the question
	answer json.RawMessage    // the handler's, once there is one
	err    error              // the handler's, or the server's if it rejected the answer
}

// handlerAnswer is what a handler returned.
type handlerAnswer struct {
	question *questionState
	answer   json.RawMessage
	err      error
}

// answerQuestions starts a handler for each new question of the task, and stops the
// handlers of those that are closed. It returns the error of a question that cannot
// be answered.
func (f *follower) answerQuestions(ctx context.Context, task *Task) error {
	for key, question := range f.questions {
		if _, ok := task.Questions[key]; !ok {
			question.open = false
			question.stop()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(task.Questions)) {
		switch question := f.questions[key]; {
		case question == nil, !question.open && question.answer == nil:
			f.startHandler(ctx, key, task.Questions[key])
		case question.err != nil:
			return question.err
		case question.answer != nil: // the server lost the answer: it never uses a key twice
			question.open = true
			if err := f.sendAnswer(ctx, question); err != nil {
				return err
			}
			if question.err != nil {
				return question.err
			}
		}
	}
	if task.Status == mcptasks.StatusInputRequired && len(task.Questions) == 0 && !f.awaiting {
		f.awaitResult(ctx)
	}
	return nil
}

// startHandler runs the client's handler for a question in a goroutine. The goroutine
// does not outlive ctx, except in a handler that ignores its context.
func (f *follower) startHandler(ctx context.Context, key string, question mcptasks.Question) {
	ctx, stop := context.WithCancel(ctx)
	state := &questionState{key: key, stop: stop, open: true}
	f.questions[key] = state
	go func() {
		answer, err := f.session.callHandler(ctx, question)
		select {
		case f.answers <- handlerAnswer{state, answer, err}:
		case <-ctx.Done():
		}
	}()
}

// accept sends a handler's answer, unless the question is closed.
func (f *follower) accept(ctx context.Context, answer handlerAnswer) error {
	question := answer.question
	switch {
	case !question.open:
		return nil
	case answer.err != nil:
		question.err = &permanent{fmt.Errorf("the question %.100q was not answered: %w", question.key, answer.err)}
		return nil
	default:
		question.answer = answer.answer
		return f.sendAnswer(ctx, question)
	}
}

// sendAnswer sends the answer to a question. If the server rejects it, the error is
// kept with the question: it does not matter if somebody else has answered.
func (f *follower) sendAnswer(ctx context.Context, question *questionState) error {
	answers := map[string]json.RawMessage{question.key: question.answer}
	err := f.session.retry(ctx, attemptTimeout, func(ctx context.Context) error {
		return f.session.do(ctx, func(ctx context.Context, c *conn) error { return c.answer(ctx, f.id, answers) })
	})
	var answered *serverError
	if errors.As(err, &answered) {
		question.err = &permanent{fmt.Errorf("the server rejected the answer to the question %.100q: %w", question.key, err)}
		return nil
	}
	return err
}

// awaitResult sends tasks/result in the background. A server of 2025-11-25 asks on its
// stream, and the SDK calls the handlers.
func (f *follower) awaitResult(ctx context.Context) {
	c := f.session.connection()
	if generation, err := c.generation(); err != nil || generation != core {
		return
	}
	f.awaiting = true
	go func() {
		_, err := c.result(ctx, f.id)
		var answered *serverError
		if errors.As(err, &answered) && answered.rpc.Code != jsonrpc.CodeInvalidParams && answered.rpc.Code != jsonrpc.CodeMethodNotFound {
			err = nil // it is the task's error
		}
		f.resultDone <- err
	}()
}

// callHandler passes a question to a handler of the client's options. It goes through
// the SDK, which checks question and answer as for a question that the server sends
// itself.
func (s *Session) callHandler(ctx context.Context, question mcptasks.Question) (json.RawMessage, error) {
	data, err := json.Marshal(map[string]any{"": map[string]any{"method": question.Method, "params": question.Params}})
	if err != nil {
		return nil, err
	}
	var requests mcp.InputRequestMap
	if err := json.Unmarshal(data, &requests); err != nil {
		return nil, err
	}
	session := s.ClientSession()
	var request mcp.Request
	switch params := requests[""].(type) {
	case *mcp.ElicitParams:
		request = &mcp.ElicitRequest{Session: session, Params: params}
	case *mcp.CreateMessageWithToolsParams: //nolint:staticcheck // deprecated, and in force
		request = &mcp.CreateMessageWithToolsRequest{Session: session, Params: params}
	default:
		return nil, fmt.Errorf("a task cannot ask %.100q", question.Method)
	}
	result, err := s.client.dispatch(ctx, question.Method, request)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
