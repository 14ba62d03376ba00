package mcptasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Methods of questions, in MCP's words.
const (
	MethodElicit = "elicitation/create"
	MethodSample = "sampling/createMessage"
)

// Question is a request to the client that a handler asks through [Run].Elicit,
// Sample or Ask, and what came of it.
type Question struct {
	Method   string          // MethodElicit or MethodSample; "" if the client answered before it was asked
	Params   json.RawMessage // the request's params
	Response json.RawMessage // the client's result; nil while there is none
	Expired  bool            // the deadline passed without an answer
}

// Open reports whether the question still waits for its answer.
func (q *Question) Open() bool { return q.Response == nil && !q.Expired }

// newQuestion returns the request as a question, or an error if it is none.
func newQuestion(request mcp.InputRequest) (Question, error) {
	data, err := json.Marshal(mcp.InputRequestMap{"": request})
	if err != nil {
		return Question{}, err
	}
	var encoded map[string]struct {
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(data, &encoded); err != nil {
		return Question{}, err
	}
	q := Question{Method: encoded[""].Method, Params: encoded[""].Params}
	if q.Method != MethodElicit && q.Method != MethodSample {
		return Question{}, fmt.Errorf("a task cannot ask %s", q.Method)
	}
	if _, err := q.schema(); err != nil {
		return Question{}, err
	}
	return q, nil
}

// sameAs reports whether both ask for the same kind of answer: by the same method
// and with the same schema. The words may differ.
func (q *Question) sameAs(other *Question) bool {
	return q.Method == other.Method && reflect.DeepEqual(q.rawSchema(), other.rawSchema())
}

// Check returns an error if the response is not an answer to the question: not the
// result of its method, or not as the question's schema demands. The error's text
// may be shown to the client. Members that the schema does not forbid are allowed.
func (q *Question) Check(response json.RawMessage) error {
	if q.Method == MethodSample {
		return q.checkSampling(response)
	}
	var result mcp.ElicitResult
	if err := json.Unmarshal(response, &result); err != nil {
		return errors.New("not an elicitation result: it needs action, and content when it accepts")
	}
	switch result.Action {
	case "accept":
	case "decline", "cancel":
		return nil
	default:
		return fmt.Errorf("action %q is none of accept, decline, cancel", shortened(result.Action))
	}
	schema, err := q.schema()
	if err != nil || schema == nil {
		return err
	}
	content := result.Content
	if content == nil {
		content = map[string]any{}
	}
	if err := schema.Validate(content); err != nil {
		return fmt.Errorf("content does not match the requested schema: %s", shortened(err.Error()))
	}
	return nil
}

// shortened keeps what a client sent from coming back to it whole: the errors of
// jsonschema quote the values they refuse.
func shortened(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

func (q *Question) checkSampling(response json.RawMessage) error {
	var result mcp.CreateMessageWithToolsResult
	if err := json.Unmarshal(response, &result); err != nil || (result.Role != "user" && result.Role != "assistant") {
		return errors.New("not a sampling result: it needs role, content and model")
	}
	var params struct {
		Tools []json.RawMessage `json:"tools"`
	}
	_ = json.Unmarshal(q.Params, &params) // params are ours, and have been read before
	if len(params.Tools) == 0 && json.Unmarshal(response, new(mcp.CreateMessageResult)) != nil {
		return errors.New("not a result of sampling without tools: its content is one text, image or audio")
	}
	return nil
}

// schema returns the schema an accepted elicitation's content must match, nil if
// there is none.
func (q *Question) schema() (*jsonschema.Resolved, error) {
	var params struct {
		RequestedSchema *jsonschema.Schema `json:"requestedSchema"`
	}
	if err := json.Unmarshal(q.Params, &params); err != nil {
		return nil, fmt.Errorf("the requested schema is malformed: %w", err)
	}
	if params.RequestedSchema == nil {
		return nil, nil //nolint:nilnil // no schema is an answer
	}
	if t := params.RequestedSchema.Type; t != "" && t != "object" {
		return nil, fmt.Errorf("the requested schema is malformed: its type is %s, not object", t)
	}
	resolved, err := params.RequestedSchema.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("the requested schema is malformed: %w", err)
	}
	return resolved, nil
}

func (q *Question) rawSchema() any {
	var params struct {
		RequestedSchema any `json:"requestedSchema"`
	}
	_ = json.Unmarshal(q.Params, &params) // params are ours, and have been read before
	return params.RequestedSchema
}
