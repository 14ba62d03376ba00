package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Elicit asks the person behind the client and returns the answer: accepted, declined or
// cancelled. Accepted content matches the requested schema.
//
// Without an answer, Elicit stores the question, makes the task input_required, ends ctx
// and returns [ErrParked]. The handler must then return, best with that error. No worker
// waits for the answer. When the last open question is answered, the handler runs again
// from the top, and Elicit returns the answer at once. If the tool's QuestionDeadline
// passes first, the handler runs again and Elicit returns [ErrUnanswered].
//
// The key names the question for the task's whole life. The same key with another method
// or schema is an error that ends the task. The same key with another message is the
// question that was stored first.
func (r *Run) Elicit(ctx context.Context, key string, params *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	var result mcp.ElicitResult
	if err := r.askOne(ctx, key, params, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Sample asks the client's model and returns its message. Otherwise it does what
// [Run.Elicit] does.
func (r *Run) Sample(ctx context.Context, key string, params *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	var result mcp.CreateMessageResult
	if err := r.askOne(ctx, key, params, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Ask asks several questions at once, by their keys: *mcp.ElicitParams,
// *mcp.CreateMessageParams and *mcp.CreateMessageWithToolsParams. It returns the answers
// by the same keys, as *mcp.ElicitResult and *mcp.CreateMessageWithToolsResult.
//
// It does what [Run.Elicit] does, and parks the task while any question is open. If the
// deadline of a question has passed, it returns [ErrUnanswered] and the answers to the
// others.
func (r *Run) Ask(ctx context.Context, questions mcp.InputRequestMap) (mcp.InputResponseMap, error) {
	responses, err := r.ask(ctx, questions)
	if err != nil && !errors.Is(err, ErrUnanswered) {
		return nil, err
	}
	answers := make(mcp.InputResponseMap, len(responses))
	for key, response := range responses {
		// The question decides the type. The SDK's decoder of InputResponse goes by the
		// members that it finds, and those are the client's choice.
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

// ask returns the responses by key, or parks the run. With ErrUnanswered it returns the
// responses to the other questions.
func (r *Run) ask(ctx context.Context, requests mcp.InputRequestMap) (map[string]json.RawMessage, error) {
	responses, unanswered, err := r.state.Ask(ctx, requests)
	if len(unanswered) > 0 {
		err = fmt.Errorf("%w: %s", ErrUnanswered, strings.Join(unanswered, ", "))
	}
	return responses, err
}
