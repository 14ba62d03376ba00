package mcpserver_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/mcpserver"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts sends the requests of each file in testdata/*.txtar, in their order, to a
// new server. After each request the file has the answer and the calls of the Runner. The
// calls are left out while a stream is open, because those of its watch have no fixed order.
//
// In a request ${declared} and ${undeclared} stand for the _meta of a client that
// does, or does not, declare the extension, ${long} for a megabyte, and ${session} for
// the session that the last initialize began. Some headers are for this test:
//
//	Method: GET             another method than POST
//	Stream: name            leave the answer open under the name
//	Read: name, 2           send nothing, read two events of that stream
//	Do: ask working color   send nothing, change a task; see fakeRunner.do
//
// Each file is sent twice: to a server whose polls the SDK answers, which is the answer that
// -update writes, and to a server with the fast path.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, newConversationWith(t, &mcpserver.HandlerOptions{PollsThroughSDK: true}), string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the answers are not those of %s (-update rewrites it):\n%s", file, firstDifference(got, string(want)))
			}

			fast := newConversation(t)
			fast.warmUp()
			if got := replay(t, fast, string(want)); got != string(want) {
				t.Errorf("the fast path's answers are not those of %s:\n%s", file, firstDifference(got, string(want)))
			}
			if requests := fast.sdk.requests(); filepath.Base(file) == "get.txtar" && requests != 0 {
				t.Errorf("the SDK was asked %d times; they were polls", requests)
			}
		})
	}
}

var section = regexp.MustCompile(`(?m)^-- (.+) --\n`)

// replay returns the transcript with the answers that its requests get now.
func replay(t *testing.T, c *conversation, transcript string) string {
	runner := c.runner
	defer c.end()

	marks := section.FindAllStringSubmatchIndex(transcript, -1)
	if len(marks) == 0 {
		t.Fatal("the transcript has no requests")
	}
	var out strings.Builder
	out.WriteString(transcript[:marks[0][0]])
	for i, mark := range marks {
		end := len(transcript)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		name, text := transcript[mark[2]:mark[3]], transcript[mark[1]:end]
		if name == "answer" || name == "runner" {
			continue
		}
		fmt.Fprintf(&out, "-- %s --\n%s", name, text)
		if answer := c.exchange(text); answer != "" {
			fmt.Fprintf(&out, "-- answer --\n%s", answer)
		}
		if calls := runner.takeCalls(); len(calls) > 0 && len(c.streams) == 0 {
			fmt.Fprintf(&out, "-- runner --\n%s\n", strings.Join(calls, "\n"))
		}
	}
	return out.String()
}

func fixtureServer(t *testing.T, runner *fakeRunner, opts *mcpserver.HandlerOptions) (*httptest.Server, *sdkLog) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "add"}, add, nil)
	textTool(tools, "required", mcptasks.TaskRequired)
	textTool(tools, "forbidden", mcptasks.TaskForbidden)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "protocol_error"},
		func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, &jsonrpc.Error{Code: -32050, Message: "the tool says no", Data: json.RawMessage(`{"why":1}`)}
		}, nil)
	runner.work = worker(t, tools)

	server, sdk := newLoggedServer()
	mcp.AddTool(server, &mcp.Tool{Name: "sync"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return text("sync is done"), nil, nil
	})
	mcpserver.Mount(server, tools, runner, nil)
	plain := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, opts)
	owned := auth.RequireBearerToken(verify, nil)(plain)
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			owned.ServeHTTP(w, req)
		} else {
			plain.ServeHTTP(w, req)
		}
	})), sdk
}

func fixtureTasks(runner *fakeRunner) {
	result := func(json string, isError bool) *mcptasks.Outcome {
		return &mcptasks.Outcome{Result: []byte(json), IsError: isError}
	}
	for _, task := range []mcptasks.Task{
		{ID: "working", Status: mcptasks.StatusWorking},
		{ID: "progress", Status: mcptasks.StatusWorking, StatusMessage: "2/5", TTL: 90 * 1e9, PollInterval: 250 * 1e6},
		{ID: "completed", Status: mcptasks.StatusCompleted, Outcome: result(
			`{"_meta":{"trace":9007199254740993},"content":[{"type":"text","text":"a<b"}],`+
				`"structuredContent":{"big":9007199254740993,"nul":"a\u0000b","one":1.0,"list":[],"none":null}}`, false)},
		{ID: "empty", Status: mcptasks.StatusCompleted, Outcome: result(`{"content":[]}`, false)},
		{ID: "tool-error", Status: mcptasks.StatusCompleted, StatusMessage: "disk full", Outcome: result(
			`{"content":[{"type":"text","text":"disk full"}],"isError":true}`, true)},
		{ID: "failed", Status: mcptasks.StatusFailed, StatusMessage: "The tool stopped unexpectedly.", Outcome: failure.Outcome("The tool stopped unexpectedly.")},
		{ID: "failed-data", Status: mcptasks.StatusFailed, StatusMessage: "the tool says no", Outcome: &mcptasks.Outcome{
			Error: &jsonrpc.Error{Code: -32050, Message: "the tool says no", Data: json.RawMessage(`{"why":9007199254740993}`)},
		}},
		{ID: "cancelled", Status: mcptasks.StatusCancelled, StatusMessage: "cancelled by the client"},
		{ID: "asking", Status: mcptasks.StatusInputRequired, Questions: map[string]mcptasks.Question{"color": question("color")}},
		{ID: "alices", Owner: "alice", Status: mcptasks.StatusWorking},
		{ID: "bobs", Owner: "bob", Status: mcptasks.StatusCompleted, Outcome: result(`{"content":[],"isError":true}`, true)},
		{ID: "foreign", Owner: "somebody else", Status: mcptasks.StatusCompleted, Outcome: result(`{"content":[]}`, false)},
	} {
		runner.add(task)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is\n%s\nand was\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, and were %d", len(g), len(w))
}
