package mcptasks

import (
	"encoding/json"

	"github.com/mcptasks/mcptasks/internal/question"
)

// Methods of questions, in MCP's words.
const (
	MethodElicit = question.MethodElicit // "elicitation/create"
	MethodSample = question.MethodSample // "sampling/createMessage"
)

// Question is a request to the client that a handler makes with [Run.Elicit],
// [Run.Sample] or [Run.Ask], and the client's response to it.
type Question struct {
	Method   string          // MethodElicit or MethodSample; "" if the client answered before the handler asked
	Params   json.RawMessage // the request's params
	Response json.RawMessage // the client's result; nil while there is none
	Expired  bool            // the deadline passed without an answer
}

// Open reports whether the question waits for its answer.
func (q *Question) Open() bool { return (*question.Question)(q).Open() }

// Check returns an error if the response is not an answer to the question: it is not a
// result of the question's method, or it does not match the question's schema. The
// error's text may be shown to the client. Members that the schema does not forbid are
// allowed.
func (q *Question) Check(response json.RawMessage) error {
	return (*question.Question)(q).Check(response)
}
