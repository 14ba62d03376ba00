package mcpserver_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
)

// For any task, the fast path's answer is the SDK's to the byte.
func TestFastPathAnswersTasksAsTheSDK(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for _, options := range []mcp.StreamableHTTPOptions{{}, {JSONResponse: true}} {
		l := newTwoEndpoints(t, options)
		r := &anything{rand.New(rand.NewPCG(seed, 1))}
		for i := range 300 {
			task := r.task()
			l.put(task)
			if !l.same(t, fmt.Sprintf("seed %d, task %d, %+v", seed, i, task), func() *http.Request { return poll(task.ID, declared) }) {
				t.Errorf("seed %d, task %d: the fast path did not answer", seed, i)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// put adds the task to both runners.
func (l *twoEndpoints) put(task mcptasks.Task) {
	for _, fast := range []*fastEndpoint{l.ours, l.sdks} {
		fast.runner.tasks[task.ID] = clone(&task)
	}
}

// The fast path sends a result as the SDK does, also if the SDK encodes it differently from
// the stored one, or cannot send it.
func TestFastPathAnswersResultsAsTheSDK(t *testing.T) {
	t.Parallel()
	l := newTwoEndpoints(t, mcp.StreamableHTTPOptions{})
	for _, result := range []string{
		`{}`, `{ }`, " {\n}\t", `{"content":[]}`, `{ "content" : [ ] , "a":[1 , 2] }`, `{"a":" b  c "}`, `[]`, ` [ 1 ] `, `7`, `"s"`, `null`, `true`,
		`{"a":"<b>&amp;` + "\u2028\u2029\x7f" + `\u2028\u0000\/\ud800"}`, `{"a":1.0,"b":1E+5,"c":-0,"d":9007199254740993,"e":1e999}`,
		`{"a":1,"a":2}`, `{"resultType":"input_required"}`, "{\"a\":\"\xff\"}", strings.Repeat("[", 100) + strings.Repeat("]", 100),
		strings.Repeat(`{"a":`, 9000) + `1` + strings.Repeat(`}`, 9000),
		``, ` `, `{`, `}`, `{"a":}`, `{"a":1,}`, `[1,]`, `{,}`, `{a:1}`, `01`, `+1`, `1.`, `.5`, `1e`, `-`, `nul`, `"`, `"\x"`, `"\u00g0"`, "\"a\nb\"", `{} {}`, "{}\x00",
	} {
		l.put(mcptasks.Task{ID: "stored", Status: mcptasks.StatusCompleted, Outcome: &mcptasks.Outcome{Result: json.RawMessage(result)}})
		if !l.same(t, result, func() *http.Request { return poll("stored", declared) }) {
			t.Errorf("%s: the fast path did not answer", result)
		}
	}
	l.put(mcptasks.Task{ID: "stored", Status: mcptasks.StatusCompleted, Outcome: &mcptasks.Outcome{}})
	l.same(t, "no result", func() *http.Request { return poll("stored", declared) })
}

// anything generates valid tasks, also unusual ones.
type anything struct{ *rand.Rand }

func (r *anything) task() mcptasks.Task {
	statuses := []mcptasks.Status{mcptasks.StatusWorking, mcptasks.StatusInputRequired, mcptasks.StatusCompleted, mcptasks.StatusFailed, mcptasks.StatusCancelled}
	task := mcptasks.Task{
		ID:            fmt.Sprintf("task-%d", r.IntN(100)),
		Status:        statuses[r.IntN(len(statuses))],
		StatusMessage: r.text(),
		TTL:           time.Duration(r.Int64N(int64(30 * 24 * time.Hour))),
		PollInterval:  time.Duration(r.Int64N(int64(2 * time.Millisecond))),
		CreatedAt:     noon.Add(time.Duration(r.Int64N(int64(time.Hour)))).In(time.FixedZone("", r.IntN(24*60)*60-12*60*60)),
		UpdatedAt:     noon.Add(time.Duration(r.IntN(3)) * time.Second),
	}
	switch task.Status {
	case mcptasks.StatusCompleted:
		task.Outcome = &mcptasks.Outcome{Result: json.RawMessage(r.object(0))}
	case mcptasks.StatusFailed:
		task.Outcome = &mcptasks.Outcome{Error: &jsonrpc.Error{Code: r.Int64() >> r.IntN(60), Message: r.text()}}
		if r.IntN(2) == 0 {
			task.Outcome.Error.Data = json.RawMessage(r.value(0))
		}
	case mcptasks.StatusInputRequired:
		task.Questions = make(map[string]mcptasks.Question)
		for range r.IntN(4) {
			task.Questions[r.text()] = mcptasks.Question{Method: mcptasks.MethodElicit, Params: json.RawMessage(r.value(0))}
		}
		task.Questions[""] = mcptasks.Question{Method: mcptasks.MethodSample}
	}
	return task
}

func (r *anything) text() string {
	pieces := []string{"", "a", "2/5 ", "<b>", "&", `"`, `\`, "\x00", "\n\t\r\b\f", "\u2028", "é", "☃", "\xff", "\x7f", "😀", "/"}
	var text strings.Builder
	for range r.IntN(6) {
		text.WriteString(pieces[r.IntN(len(pieces))])
	}
	return text.String()
}

func (r *anything) value(depth int) string {
	literals := []string{"null", "true", "false", "0", "-0", "1.0", "1e999", "-1.5E-7", "9007199254740993", `"a\u0000b"`, `"\ud800"`, `"<&>` + "\u2028" + `"`, `"\/"`, `""`}
	switch {
	case depth < 4 && r.IntN(3) == 0:
		return r.object(depth + 1)
	case depth < 4 && r.IntN(3) == 0:
		return r.joined("[", "]", func() string { return r.value(depth + 1) })
	}
	return literals[r.IntN(len(literals))]
}

func (r *anything) object(depth int) string {
	return r.joined("{", "}", func() string {
		key, _ := json.Marshal(r.text())
		return string(key) + r.space() + ":" + r.space() + r.value(depth)
	})
}

func (r *anything) joined(begin, end string, part func() string) string {
	parts := make([]string, r.IntN(4))
	for i := range parts {
		parts[i] = r.space() + part() + r.space()
	}
	return begin + strings.Join(parts, ",") + r.space() + end
}

// space returns white space, mostly none, as in results that the SDK encodes.
func (r *anything) space() string {
	if r.IntN(40) > 0 {
		return ""
	}
	return []string{" ", "\n", "\t", "\r\n  "}[r.IntN(4)]
}
