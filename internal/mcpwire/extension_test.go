package mcpwire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/mcptasks/mcptasks"
)

func TestTaskOnTheWire(t *testing.T) {
	created := time.Date(2026, 7, 28, 14, 0, 0, 0, time.FixedZone("CEST", 2*60*60))
	task := mcptasks.Task{
		ID: "task", Owner: "owner", Tool: "tool", Status: mcptasks.StatusCompleted, StatusMessage: "2/5",
		TTL: 90 * time.Second, PollInterval: 250 * time.Millisecond,
		CreatedAt: created, UpdatedAt: created.Add(time.Nanosecond), FinishedAt: created, ExpiresAt: created,
		Outcome: &mcptasks.Outcome{Result: json.RawMessage(`{"content":[],"structuredContent":{"n":9007199254740993}}`)},
	}
	failed := task
	failed.Status, failed.Outcome = mcptasks.StatusFailed, &mcptasks.Outcome{Error: &jsonrpc.Error{Code: 0, Message: ""}}
	fields := `"taskId":"task","status":"completed","statusMessage":"2/5","createdAt":"2026-07-28T14:00:00+02:00",` +
		`"lastUpdatedAt":"2026-07-28T14:00:00.000000001+02:00","ttlMs":90000,"pollIntervalMs":250`

	for _, test := range []struct {
		name string
		got  any
		want string
	}{
		{"a handle has no result", Handle(&task), `{"resultType":"task",` + fields + `}`},
		{"a handle has no error", Handle(&failed), `{"resultType":"task",` + strings.Replace(fields, "completed", "failed", 1) + `}`},
		{"a completed task", Detailed(&task), `{"resultType":"complete",` + fields +
			`,"result":{"resultType":"complete","content":[],"structuredContent":{"n":9007199254740993}}}`},
		{"a failed task, its error without code or text", Detailed(&failed), `{"resultType":"complete",` + strings.Replace(fields, "completed", "failed", 1) +
			`,"error":{"code":0,"message":""}}`},
		{"an acknowledgement", NewAck(), `{"resultType":"complete"}`},
	} {
		got, err := json.Marshal(test.got)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n%s, want\n%s", test.name, err, got, test.want)
		}
	}
	if string(task.Outcome.Result) != `{"content":[],"structuredContent":{"n":9007199254740993}}` {
		t.Errorf("the stored result became %s", task.Outcome.Result)
	}
}

func FuzzWithResultType(f *testing.F) {
	for _, result := range []string{`{}`, `{ }`, `{"content":[]}`, " \n{ \"content\":[] }", `{"a":"\u0000","b":9007199254740993}`, ``, ` `, `{`, `null`} {
		f.Add([]byte(result))
	}
	f.Fuzz(func(t *testing.T, result []byte) {
		before := bytes.Clone(result)
		data := withResultType(result)
		want, ok := object(result)
		if _, has := want["resultType"]; !ok || has {
			return // not a stored result
		}
		got, ok := object(data)
		if !ok {
			t.Fatalf("%q became %q", result, data)
		}
		if string(got["resultType"]) != `"complete"` {
			t.Errorf("%q has no resultType", got)
		}
		delete(got, "resultType")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q", want, got)
		}
		if !bytes.Equal(result, before) {
			t.Errorf("the stored result became %q", result)
		}
	})
}

func FuzzNewCallResult(f *testing.F) {
	for _, result := range []string{
		`{"content":[]}`, `{}`, `{"content":null,"structuredContent":null}`,
		`{"_meta":{"n":9007199254740993},"content":[{"type":"text","text":"a<b"}],"structuredContent":{"n":1.0,"s":"\u0000"},"isError":true}`,
		`{"_meta":1}`, `{"isError":"yes"}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(result), true)
		f.Add([]byte(result), false)
	}
	f.Fuzz(func(t *testing.T, result []byte, resultType bool) {
		want, ok := object(result)
		if !ok {
			return
		}
		answer, err := NewCallResult(result, resultType)
		if err != nil {
			return
		}
		data, err := json.Marshal(answer)
		if err != nil {
			t.Fatalf("%q cannot be answered: %v", result, err)
		}
		got, ok := object(data)
		if !ok {
			t.Fatalf("%q became %q", result, data)
		}
		if _, has := got["resultType"]; has != resultType && want["resultType"] == nil {
			t.Errorf("%q became %q", result, data)
		}
		for _, member := range []string{"content", "structuredContent"} {
			if want[member] != nil && !sameJSON(got[member], want[member]) {
				t.Errorf("%s of %q became %q", member, want[member], got[member])
			}
		}
	})
}

func FuzzTaskParams(f *testing.F) {
	for _, params := range []string{
		`{"taskId":"task","_meta":{"a":1}}`, `{"taskId":null}`, `{"taskId":7}`, `null`, `[]`, `{"taskId":"\ud800"}`,
		`{"taskId":"task","inputResponses":{"a":{"n":9007199254740993},"":null}}`,
	} {
		f.Add([]byte(params))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var params *UpdateParams
		if json.Unmarshal(data, &params) != nil || params == nil {
			return
		}
		again, err := json.Marshal(params)
		if err != nil {
			t.Fatalf("%q cannot be sent on: %v", data, err)
		}
		var got *UpdateParams
		if err := json.Unmarshal(again, &got); err != nil {
			t.Fatal(err)
		}
		if got.TaskID != params.TaskID || len(got.InputResponses) != len(params.InputResponses) {
			t.Errorf("%q became %q", data, again)
		}
		for key, response := range params.InputResponses {
			if !sameJSON(got.InputResponses[key], response) {
				t.Errorf("the response %q became %q", response, got.InputResponses[key])
			}
		}
	})
}

// object returns the members of a JSON object. ok is false for other JSON, and for an object
// with keys that differ only by case: the SDK writes none.
func object(data []byte) (members map[string]json.RawMessage, ok bool) {
	if json.Unmarshal(data, &members) != nil || members == nil || len(data) == 0 || bytes.Count(data, []byte("{")) == 0 {
		return nil, false
	}
	folded := make(map[string]bool)
	for key := range members {
		key = strings.ToUpper(strings.ToLower(key))
		if folded[key] {
			return nil, false
		}
		folded[key] = true
	}
	return members, true
}

// sameJSON compares two JSON values. Numbers are equal if they are written alike.
func sameJSON(a, b json.RawMessage) bool {
	return reflect.DeepEqual(exact(a), exact(b))
}

func exact(data json.RawMessage) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	_ = decoder.Decode(&value)
	return value
}
