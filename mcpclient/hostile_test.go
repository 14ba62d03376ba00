package mcpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
)

const discovered = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`

// saying returns a server that answers server/discover correctly, and one method with the
// given answer, in which %d stands for the request's id.
func saying(method, contentType, answer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var call struct {
			ID     int
			Method string
		}
		body, _ := io.ReadAll(req.Body)
		switch _ = json.Unmarshal(body, &call); call.Method {
		case "server/discover":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%d,"result":%s}`, call.ID, discovered)
		case method:
			w.Header().Set("Content-Type", contentType)
			fmt.Fprint(w, strings.ReplaceAll(answer, "%d", fmt.Sprint(call.ID)))
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
}

func jsonAnswer(result string) (contentType, answer string) {
	return "application/json", `{"jsonrpc":"2.0","id":%d,"result":` + result + `}`
}

func event(result string) (contentType, answer string) {
	return "text/event-stream", `data: {"jsonrpc":"2.0","id":%d,"result":` + result + "}\n\n"
}

func TestMalformedHandles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ result, want string }{
		"no id":            {`{"resultType":"task","status":"working"}`, "no taskId"},
		"id is null":       {`{"resultType":"task","taskId":null,"status":"working"}`, "no taskId"},
		"id is a number":   {`{"resultType":"task","taskId":7,"status":"working"}`, "malformed"},
		"no status":        {`{"resultType":"task","taskId":"a"}`, `status is ""`},
		"unknown status":   {`{"resultType":"task","taskId":"a","status":"asleep"}`, `status is "asleep"`},
		"status is a list": {`{"resultType":"task","taskId":"a","status":[]}`, "malformed"},
		"bad time":         {`{"resultType":"task","taskId":"a","status":"working","createdAt":"soon"}`, "malformed"},
		"bad interval":     {`{"resultType":"task","taskId":"a","status":"working","pollIntervalMs":"1s"}`, "malformed"},
		"content":          {`{"resultType":"task","taskId":"a","status":"working","content":5}`, "content"},
		"type is a number": {`{"resultType":1,"taskId":"a"}`, "resultType"},
		"a list":           {`[]`, "unmarshal"},
	} {
		for form, answer := range map[string]func(string) (string, string){"json": jsonAnswer, "sse": event} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				contentType, text := answer(test.result)
				err := start(t, saying(mcpwire.MethodCall, contentType, text))
				if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 1000 {
					t.Errorf("error %.1000v, want one with %q", err, test.want)
				}
			})
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.Handler{
		"truncated json":   saying(mcpwire.MethodCall, "application/json", `{"jsonrpc":"2.0","id":%d,"result":{"resultType":"task","task`),
		"truncated event":  saying(mcpwire.MethodCall, "text/event-stream", `data: {"jsonrpc":"2.0","id":%d,"result":{"resultType":"task","task`),
		"no event":         saying(mcpwire.MethodCall, "text/event-stream", ": nothing\n\n"),
		"no body":          saying(mcpwire.MethodCall, "application/json", ""),
		"web page":         saying(mcpwire.MethodCall, "text/html", "<p>Log in</p>"),
		"another's answer": saying(mcpwire.MethodCall, "text/event-stream", `data: {"jsonrpc":"2.0","id":99%d,"result":{"resultType":"task","taskId":"a","status":"working"}}`+"\n\n"),
		"cut off": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Mcp-Method") != mcpwire.MethodCall {
				saying("", "", "").ServeHTTP(w, req)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: {\n")
			must(http.NewResponseController(w).Flush())
			panic(http.ErrAbortHandler)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := start(t, handler); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want a prompt one", err)
			}
		})
	}
}

// The last event may lack the empty line that ends events.
func TestHandleInAnUnfinishedEvent(t *testing.T) {
	t.Parallel()
	answer := "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":%d,\r\ndata: \"result\":{\"resultType\":\"task\",\"taskId\":\"a\",\"status\":\"working\"}}"
	if err := start(t, saying(mcpwire.MethodCall, "text/event-stream", answer)); err != nil {
		t.Error(err)
	}
}

// A response to another request on the call's stream is not the call's.
func TestAnotherHandleFirst(t *testing.T) {
	t.Parallel()
	_, own := event(`{"resultType":"task","taskId":"own","status":"working"}`)
	other := `data: {"jsonrpc":"2.0","id":99%d,"result":{"resultType":"task","taskId":"other","status":"working"}}` + "\n\n"
	session := connect(t, at(t, saying(mcpwire.MethodCall, "text/event-stream", other+own)), nil)
	started, err := session.Start(t.Context(), &mcp.CallToolParams{Name: "report"})
	if err != nil || started.Task == nil || started.Task.ID != "own" {
		t.Errorf("started %+v, %v", started, err)
	}
}

// The limit of a handle's size holds on every transport.
func TestHugeHandle(t *testing.T) {
	t.Parallel()
	onEveryWire(t, func(t *testing.T, s *server, transport mcp.Transport) {
		s.task.StatusMessage = strings.Repeat("x", 2<<20)
		_, err := connect(t, transport, nil).Start(t.Context(), &mcp.CallToolParams{Name: "report"})
		if err == nil || !strings.Contains(err.Error(), "handle is lost") {
			t.Errorf("error %.1000v", err)
		}
	})
}

// The SDK resumes a stream that breaks off after an event with an id.
func TestHandleOnAResumedStream(t *testing.T) {
	t.Parallel()
	first := saying(mcpwire.MethodCall, "text/event-stream", "retry: 1\nid: %d\ndata:\n\n")
	err := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet {
			first.ServeHTTP(w, req)
			return
		}
		_, answer := event(`{"resultType":"task","taskId":"a","status":"working"}`)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, strings.ReplaceAll(answer, "%d", req.Header.Get("Last-Event-ID")))
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	defer close(held)
	session := connect(t, at(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if method := req.Header.Get("Mcp-Method"); method == mcpwire.MethodCall || method == mcpwire.MethodGet {
			select {
			case <-held:
			case <-req.Context().Done():
			}
			return
		}
		saying("", "", "").ServeHTTP(w, req)
	})), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := session.Start(ctx, &mcp.CallToolParams{Name: "report"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("start: %v", err)
	}
	if _, err := session.Get(ctx, taskID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v", err)
	}
}

func TestMalformedTasks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ result, want string }{
		"null":           {`null`, "no taskId"},
		"another task":   {`{"resultType":"complete","taskId":"b","status":"working"}`, `another task, "b"`},
		"no result":      {`{"resultType":"complete","taskId":"a","status":"completed"}`, "no result"},
		"null result":    {`{"resultType":"complete","taskId":"a","status":"completed","result":null}`, "no result"},
		"unknown status": {`{"resultType":"complete","taskId":"a","status":"done"}`, `status is "done"`},
		"error is text":  {`{"resultType":"complete","taskId":"a","status":"failed","error":"no"}`, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contentType, text := jsonAnswer(test.result)
			session := connect(t, at(t, saying(mcpwire.MethodGet, contentType, text)), nil)
			_, err := session.Get(t.Context(), "a")
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, mcptasks.ErrNotFound) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Times that a Duration cannot hold are limited and do not overflow.
func TestEndlessTimes(t *testing.T) {
	t.Parallel()
	contentType, text := jsonAnswer(`{"resultType":"complete","taskId":"a","status":"failed","ttlMs":9223372036854775807,"pollIntervalMs":-5}`)
	session := connect(t, at(t, saying(mcpwire.MethodGet, contentType, text)), nil)
	task, err := session.Get(t.Context(), "a")
	if err != nil || task.TTL < 1<<62 || task.PollInterval != 0 {
		t.Errorf("task %+v, %v", task, err)
	}
	if _, err := task.CallToolResult(); err == nil {
		t.Error("a failed task without an error has a result")
	}
}

// start starts a tool on the server and returns the error.
func start(t *testing.T, handler http.Handler) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	started, err := connect(t, at(t, handler), nil).Start(ctx, &mcp.CallToolParams{Name: "report"})
	if err == nil && started.Task == nil {
		return fmt.Errorf("Start returned no task but %+v", started.Result)
	}
	return err
}
