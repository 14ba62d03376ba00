package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Elicit asks the person behind the client and returns the answer, accepted,
// declined or cancelled; accepted content matches the requested schema.
//
// If there is no answer yet, the question is stored, the task becomes
// input_required and this run is over: Elicit returns [ErrParked], ctx has ended,
// and the handler must return, best with the error it got. No worker waits. When
// the last open question is answered the handler runs again, from the top, and
// Elicit returns the answer at once. If the tool's QuestionDeadline passes
// first, the handler runs again and Elicit returns [ErrUnanswered].
//
// The key names the question for the task's whole life. Asked again under a key
// with another method or schema, it is an error that ends the task; with other
// words, the question that was stored stands.
func (r *Run) Elicit(ctx context.Context, key string, params *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	var result mcp.ElicitResult
	if err := r.askOne(ctx, key, params, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Sample asks the client's model and returns its message. All else is as Elicit
// describes.
func (r *Run) Sample(ctx context.Context, key string, params *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	var result mcp.CreateMessageResult
	if err := r.askOne(ctx, key, params, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Ask asks several questions at once, *mcp.ElicitParams and
// *mcp.CreateMessageParams (or its WithTools form) by their keys, and returns all
// answers by the same keys, *mcp.ElicitResult and *mcp.CreateMessageWithToolsResult.
// It parks the task while any of them is open. If the deadline of one has
// passed, it returns ErrUnanswered with the answers there are.
func (r *Run) Ask(ctx context.Context, questions mcp.InputRequestMap) (mcp.InputResponseMap, error) {
	responses, err := r.ask(ctx, questions)
	if err != nil && !errors.Is(err, ErrUnanswered) {
		return nil, err
	}
	answers := make(mcp.InputResponseMap, len(responses))
	for key, response := range responses {
		// By what was asked: the SDK's own decoder goes by the members it finds,
		// and the client chose those.
		var answer mcp.InputResponse = new(mcp.ElicitResult)
		if _, elicit := questions[key].(*mcp.ElicitParams); !elicit {
			answer = new(mcp.CreateMessageWithToolsResult)
		}
		if err := decodeAnswer(key, response, answer); err != nil {
			return nil, err
		}
		answers[key] = answer
	}
	return answers, err
}

func (r *Run) askOne(ctx context.Context, key string, request mcp.InputRequest, result any) error {
	responses, err := r.ask(ctx, mcp.InputRequestMap{key: request})
	if err != nil {
		return err
	}
	return decodeAnswer(key, responses[key], result)
}

func decodeAnswer(key string, response json.RawMessage, result any) error {
	if err := json.Unmarshal(response, result); err != nil {
		return Permanent(fmt.Errorf("mcptasks: the answer to %q cannot be read: %w", key, err))
	}
	return nil
}

// ask returns the answers by key, or parks the run.
func (r *Run) ask(ctx context.Context, requests mcp.InputRequestMap) (map[string]json.RawMessage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	responses := make(map[string]json.RawMessage, len(requests))
	open := make(map[string]Question)
	var unanswered []string
	for _, key := range slices.Sorted(maps.Keys(requests)) {
		question, err := r.question(key, requests[key])
		switch {
		case err != nil:
			return nil, Permanent(fmt.Errorf("mcptasks: question %q: %w", key, err))
		case question.Response != nil:
			responses[key] = question.Response
		case question.Expired:
			unanswered = append(unanswered, key)
		default:
			open[key] = question
		}
	}
	if len(unanswered) > 0 {
		return responses, fmt.Errorf("%w: %s", ErrUnanswered, strings.Join(unanswered, ", "))
	}
	if len(open) > 0 {
		return nil, r.journal.Park(ctx, open)
	}
	return responses, nil
}

// question returns what is known of the question under the key, which is the
// request itself if it has not been asked.
func (r *Run) question(key string, request mcp.InputRequest) (Question, error) {
	if key == "" {
		return Question{}, errors.New("the key is empty")
	}
	if v := reflect.ValueOf(request); request == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return Question{}, errors.New("there is no request")
	}
	asked, err := newQuestion(request)
	if err != nil {
		return Question{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	stored, ok := r.questions[key]
	if !ok {
		return asked, nil
	}
	if stored.Method == "" { // answered before it was asked
		if asked.Check(stored.Response) == nil {
			asked.Response = stored.Response
		}
		return asked, nil
	}
	if !asked.sameAs(&stored) {
		return Question{}, errors.New("it was asked before with another method or schema; a key is one question for the task's whole life")
	}
	return stored, nil
}
