package mcptasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// ask returns the responses by key, or parks the run. With ErrUnanswered it returns those
// that there are.
func (r *Run) ask(ctx context.Context, requests mcp.InputRequestMap) (map[string]json.RawMessage, error) {
	responses, unanswered, err := r.state.Ask(ctx, requests)
	if len(unanswered) > 0 {
		err = fmt.Errorf("%w: %s", ErrUnanswered, strings.Join(unanswered, ", "))
	}
	return responses, err
}
