package storetest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

// values are JSON that a database, or a detour through Go values, may change.
func values() map[string]string {
	return map[string]string{
		"NUL":                "\"a\\u0000b\"",
		"lone surrogates":    `"\ud800 \udfff x\uDC00"`,
		"surrogate pair":     `"\ud83d\ude00"`,
		"emoji":              "\"\U0001F600 日本\"",
		"escapes":            `"\/\b\f\n\r\t\"\\<>&\u2028` + "\u2028" + `"`,
		"over 2^53":          `9007199254740993`,
		"over a double":      `1e400`,
		"under a double":     `1e-400`,
		"trailing zeros":     `[1.000, 1E+2, -0, -0.0, 1e2]`,
		"many digits":        `0.1234567890123456789012345678901234567890`,
		"deep":               strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"a megabyte":         `"` + strings.Repeat("0123456789abcdef", 1<<16) + `"`,
		"white space":        " \t\r\n{ \"b\" :\n 1 ,\"a\":[ ] }\n ",
		"order and doubles":  `{"b":1,"a":2,"b":3,"":4}`,
		"keys":               `{"\u0000":1,"__proto__":2,"a.b":3,"$ref":4}`,
		"not normal Unicode": "\"e\u0301 \u00e9 \ufeff\"",
		"null":               `null`,
		"text of a number":   `"1"`,
		"empty":              `""`,
	}
}

func jsonTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"arguments and _meta", func(f *fixture[TTx]) {
			for name, value := range values() {
				arguments, meta := ` {"v": `+value+`} `, `{"m":`+value+"}\n"
				call := f.call()
				call.Params.Arguments, call.Params.Meta = json.RawMessage(arguments), json.RawMessage(meta)
				tasks, err := f.store.Create(f.ctx, []taskstore.NewTask{call})
				f.must(err)
				run := f.claim(tasks[0].ID)
				same(f.T, "the arguments", name, run.Arguments, arguments)
				same(f.T, "the _meta", name, run.RequestMeta, meta)
			}
		}},
		{"steps", func(f *fixture[TTx]) {
			run := f.begin()
			for name, value := range values() {
				same(f.T, "the step as it was saved", name, json.RawMessage(f.saveStep(run.Fence, name, value)), value)
			}
			again := f.claim(run.TaskID)
			for name, value := range values() {
				same(f.T, "the step", name, again.Steps[name], value)
				same(f.T, "the step of a second save", name, json.RawMessage(f.saveStep(again.Fence, name, `0`)), value)
			}
		}},
		{"results", func(f *fixture[TTx]) {
			for name, value := range values() {
				run := f.begin()
				f.finish(run.Fence, result(value))
				same(f.T, "the result", name, f.get(run.TaskID).Outcome.Result, value)
			}
		}},
		{"questions and answers", func(f *fixture[TTx]) {
			for name, value := range values() {
				question := mcptasks.Question{Method: mcptasks.MethodElicit, Params: json.RawMessage(` {"message": "", "v": ` + value + `} `)}
				response := json.RawMessage(`{ "action":"accept", "content":{"v":` + value + `} }`)
				run := f.begin()
				_, _, err := f.store.Park(f.ctx, run.Fence, map[string]mcptasks.Question{name: question}, within)
				f.must(err)
				same(f.T, "the question", name, f.get(run.TaskID).Questions[name].Params, string(question.Params))
				err = f.store.Answer(f.ctx, alice, run.TaskID, map[string]json.RawMessage{name: response})
				if question.Check(response) != nil { // Go has no such number
					f.wantError(err, mcptasks.ErrInvalid)
					continue
				}
				f.must(err)
				stored := f.claim(run.TaskID).Questions[name]
				same(f.T, "the question in a run", name, stored.Params, string(question.Params))
				same(f.T, "the answer", name, stored.Response, string(response))
			}
		}},
		{"not UTF-8", func(f *fixture[TTx]) {
			// A handler's own json.RawMessage may be; the task still ends.
			run := f.begin()
			equal(f.T, "the step", f.saveStep(run.Fence, "a", "\"\xff\""), "\"\uFFFD\"")
			f.finish(run.Fence, result("\"\xff\""))
			task := f.get(run.TaskID)
			equal(f.T, "the status", task.Status, mcptasks.StatusCompleted)
			equal(f.T, "the result", string(task.Outcome.Result), "\"\uFFFD\"")
		}},
	}
}

func same(t *testing.T, what, name string, got json.RawMessage, want string) {
	t.Helper()
	if string(got) != want {
		t.Errorf("%s with %s is %.200q (%d bytes), want %.200q (%d bytes)", what, name, got, len(got), want, len(want))
	}
}

func containsKey(t *testing.T, object []byte, key string) bool {
	t.Helper()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(object, &keys); err != nil {
		t.Fatal(err)
	}
	return keys[key] != nil
}
