// Package question holds the rules for the questions that a task asks its client:
// what may be asked, which response is an answer, and when two questions are the same.
//
// It knows MCP's elicitation and sampling. It knows no tasks, and not where questions
// are stored or how they are sent.
package question

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Methods of questions.
const (
	MethodElicit = "elicitation/create"
	MethodSample = "sampling/createMessage"
)

// Question has the fields of mcptasks.Question, which documents them.
type Question struct {
	Method   string
	Params   json.RawMessage
	Response json.RawMessage
	Expired  bool
}

// New returns the request as an open question. It returns an error if a task cannot
// ask it.
func New(request mcp.InputRequest) (Question, error) {
	if v := reflect.ValueOf(request); request == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return Question{}, errors.New("there is no request")
	}
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

// Map returns the questions as another type with the same fields. It returns nil if
// there are none.
func Map[To, From ~struct {
	Method   string
	Params   json.RawMessage
	Response json.RawMessage
	Expired  bool
}](from map[string]From) map[string]To {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]To, len(from))
	for key, q := range from {
		to[key] = To(q)
	}
	return to
}

// Open reports whether the question waits for its answer.
func (q *Question) Open() bool { return q.Response == nil && !q.Expired }

// SameAs reports whether both questions have the same method and schema. Their texts
// may differ.
func (q *Question) SameAs(other *Question) bool {
	return q.Method == other.Method && reflect.DeepEqual(q.rawSchema(), other.rawSchema())
}

// Check returns an error if the response is not an answer to the question; see
// mcptasks.Question.
func (q *Question) Check(response json.RawMessage) error {
	if q.Method == MethodSample {
		return q.checkSampling(response)
	}
	return q.checkElicitation(response)
}

func (q *Question) checkElicitation(response json.RawMessage) error {
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
	if err := schema.Validate(result.Content); err != nil {
		return fmt.Errorf("content does not match the requested schema: %s", shortened(err.Error()))
	}
	return nil
}

func (q *Question) checkSampling(response json.RawMessage) error {
	var result mcp.CreateMessageWithToolsResult
	if err := json.Unmarshal(response, &result); err != nil || (result.Role != "user" && result.Role != "assistant") {
		return errors.New("not a sampling result: it needs role, content and model")
	}
	var params struct {
		Tools []json.RawMessage `json:"tools"`
	}
	_ = json.Unmarshal(q.Params, &params) // New has read them before
	if len(params.Tools) == 0 && json.Unmarshal(response, new(mcp.CreateMessageResult)) != nil {
		return errors.New("not a result of sampling without tools: its content is one text, image or audio")
	}
	return nil
}

// shortened limits what an error repeats of a client's input: jsonschema's errors quote
// the values that they reject.
func shortened(s string) string {
	const most = 500
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// schema returns the schema that an accepted elicitation's content must match, or nil
// if the question has none.
func (q *Question) schema() (*jsonschema.Resolved, error) {
	var params struct {
		RequestedSchema *jsonschema.Schema `json:"requestedSchema"`
	}
	if err := json.Unmarshal(q.Params, &params); err != nil {
		return nil, fmt.Errorf("the requested schema is malformed: %w", err)
	}
	if params.RequestedSchema == nil {
		return nil, nil //nolint:nilnil // no schema is a valid answer
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
	_ = json.Unmarshal(q.Params, &params) // New has read them before
	return params.RequestedSchema
}
