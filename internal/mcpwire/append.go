package mcpwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// This file writes answers to tasks/get. They are the SDK's to the byte. Stored JSON is
// copied and not decoded.

// ServerMeta returns, as JSON, the _meta with which the SDK names the server in answers.
func ServerMeta(info any) []byte {
	return appendEncoded(nil, map[string]any{mcp.MetaKeyServerInfo: info})
}

// AppendDetailed appends the response to a tasks/get: the task as [Detailed] renders it,
// with meta as its _meta. id, the request's, and meta are JSON. It returns an error if the
// task cannot be sent, for instance if its stored result is not JSON.
func AppendDetailed(dst, id, meta []byte, task *mcptasks.Task) ([]byte, error) {
	a := appender{dst: appendHead(dst, id, "result")}
	a.json(`{"_meta":`, meta)
	a.text(`,"resultType":"`+resultTypeComplete+`","taskId":`, task.ID)
	a.text(`,"status":`, string(task.Status))
	if task.StatusMessage != "" {
		a.text(`,"statusMessage":`, task.StatusMessage)
	}
	a.time(`,"createdAt":`, task.CreatedAt)
	a.time(`,"lastUpdatedAt":`, task.UpdatedAt)
	a.number(`,"ttlMs":`, task.TTL.Milliseconds())
	if interval := task.PollInterval.Milliseconds(); interval != 0 {
		a.number(`,"pollIntervalMs":`, interval)
	}
	a.outcome(task.Outcome)
	a.questions(task.Questions)
	return append(a.dst, "}}"...), a.err
}

// AppendError appends an error response. id, the request's, and the error's data are JSON.
func AppendError(dst, id []byte, e *jsonrpc.Error) []byte {
	a := appender{dst: appendHead(dst, id, "error")}
	a.rpcError("", e)
	return append(a.dst, '}')
}

func appendHead(dst, id []byte, member string) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(dst, `,"`...), member...), `":`...)
}

// An appender appends members. Each method's before is written in front of the value: a
// comma and the key.
type appender struct {
	dst []byte
	err error
}

func (a *appender) text(before, text string) {
	a.dst = appendText(append(a.dst, before...), text)
}

func (a *appender) number(before string, n int64) {
	a.dst = strconv.AppendInt(append(a.dst, before...), n, 10)
}

func (a *appender) time(before string, t time.Time) {
	dst, err := t.AppendText(append(append(a.dst, before...), '"'))
	a.dst = append(dst, '"')
	a.err = errors.Join(a.err, err)
}

// json appends a JSON value without the white space between its parts.
func (a *appender) json(before string, value []byte) {
	a.dst = append(a.dst, before...)
	if isCompact(value) {
		a.dst = append(a.dst, value...)
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		a.err = errors.New("the stored value is not JSON")
	}
	a.dst = append(a.dst, compact.Bytes()...)
}

func (a *appender) outcome(outcome *mcptasks.Outcome) {
	if outcome == nil {
		return
	}
	if outcome.Error == nil || len(outcome.Result) > 0 {
		a.result(outcome.Result)
	}
	if outcome.Error != nil {
		a.rpcError(`,"error":`, outcome.Error)
	}
}

// result appends a stored result as withResultType returns it.
func (a *appender) result(result []byte) {
	if !isCompact(result) || result[0] != '{' {
		a.json(`,"result":`, withResultType(result))
		return
	}
	a.dst = append(a.dst, `,"result":{"resultType":"`+resultTypeComplete+`"`...)
	if result[1] != '}' {
		a.dst = append(a.dst, ',')
	}
	a.dst = append(a.dst, result[1:]...)
}

func (a *appender) rpcError(before string, e *jsonrpc.Error) {
	a.number(before+`{"code":`, e.Code)
	a.text(`,"message":`, e.Message)
	if len(e.Data) > 0 {
		a.json(`,"data":`, e.Data)
	}
	a.dst = append(a.dst, '}')
}

func (a *appender) questions(questions map[string]mcptasks.Question) {
	if len(questions) == 0 {
		return
	}
	before := `,"inputRequests":{`
	for _, key := range slices.Sorted(maps.Keys(questions)) {
		question := questions[key]
		params := question.Params
		if params == nil {
			params = json.RawMessage("null")
		}
		a.text(before, key)
		a.text(`:{"method":`, question.Method)
		a.json(`,"params":`, params)
		before = "},"
	}
	a.dst = append(a.dst, "}}"...)
}

// appendText appends a string as JSON.
func appendText(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEncoded(dst, text)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

// appendEncoded appends the JSON of v, with the encoder's settings that the SDK uses.
func appendEncoded(dst []byte, v any) []byte {
	buffer := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // it cannot fail: v is text, or was sent by the SDK
	return bytes.TrimRight(buffer.Bytes(), "\n")
}
