package toolcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/internal/question"
)

// Ask returns the responses to the requests by their keys, and the keys of the requests
// that were not answered before their deadline. If there are none of these and a request
// has no answer yet, Ask parks the run and returns the journal's error. A malformed
// request is a permanent error.
func (r *Run) Ask(ctx context.Context, requests mcp.InputRequestMap) (responses map[string]json.RawMessage, unanswered []string, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	responses = make(map[string]json.RawMessage, len(requests))
	open := make(map[string]question.Question)
	for _, key := range slices.Sorted(maps.Keys(requests)) {
		q, err := r.question(key, requests[key])
		switch {
		case err != nil:
			return nil, nil, Permanent(fmt.Errorf("mcptasks: question %q: %w", key, err))
		case q.Response != nil:
			responses[key] = q.Response
		case q.Expired:
			unanswered = append(unanswered, key)
		default:
			open[key] = q
		}
	}
	if len(open) > 0 && len(unanswered) == 0 {
		return nil, nil, r.journal.Park(ctx, open)
	}
	return responses, unanswered, nil
}

// question returns the question that was asked under the key, or the request as a new
// one.
func (r *Run) question(key string, request mcp.InputRequest) (question.Question, error) {
	if key == "" {
		return question.Question{}, errors.New("the key is empty")
	}
	asked, err := question.New(request)
	if err != nil {
		return question.Question{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	stored, ok := r.questions[key]
	if !ok {
		return asked, nil
	}
	if stored.Method == "" { // the client answered before it was asked
		if asked.Check(stored.Response) == nil {
			asked.Response = stored.Response
		}
		return asked, nil
	}
	if !asked.SameAs(&stored) {
		return question.Question{}, errors.New("it was asked before with another method or schema; a key is one question for the task's whole life")
	}
	return stored, nil
}
