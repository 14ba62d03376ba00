package mcpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks/mcpserver"
)

// A conversation is a client that sends the requests of one transcript to its own server.
type conversation struct {
	t        *testing.T
	runner   *fakeRunner
	server   *httptest.Server
	sdk      *sdkLog         // the server's
	sessions []*http.Request // they end the sessions
	session  string
	streams  map[string]*bufio.Scanner
	heads    map[string]*bufio.Reader // of the streams of which no event has been read
	leave    map[string]func()        // closes a stream, from the client's side
}

func newConversation(t *testing.T) *conversation { return newConversationWith(t, nil) }

func newConversationWith(t *testing.T, opts *mcpserver.HandlerOptions) *conversation {
	runner := newFakeRunner()
	fixtureTasks(runner)
	server, sdk := fixtureServer(t, runner, opts)
	return &conversation{t: t, runner: runner, server: server, sdk: sdk, streams: make(map[string]*bufio.Scanner), heads: make(map[string]*bufio.Reader), leave: make(map[string]func())}
}

// warmUp has the SDK answer one poll of each client, which opens the fast path for them.
func (c *conversation) warmUp() {
	c.t.Helper()
	for _, meta := range []string{"${declared}", "${undeclared}"} {
		c.exchange("Mcp-Protocol-Version: 2026-07-28\nMcp-Method: tasks/get\nMcp-Name: working\n\n" +
			`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"working",` + meta + `}}`)
	}
	c.runner.takeCalls()
	c.sdk.requests()
}

// end closes all streams and sessions, so that the server can close.
func (c *conversation) end() {
	for _, leave := range c.leave {
		leave()
	}
	for _, req := range c.sessions {
		if res, err := c.server.Client().Do(req); err == nil {
			_ = res.Body.Close()
		}
	}
}

// exchange sends a request with exactly these headers and this body, and returns the answer.
func (c *conversation) exchange(text string) string {
	t := c.t
	t.Helper()
	headers, body, _ := strings.Cut(text, "\n\n")
	expand := strings.NewReplacer("${declared}", declared, "${undeclared}", undeclared, "${long}", strings.Repeat("x", 1<<20), "${session}", c.session).Replace
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL, strings.NewReader(expand(strings.TrimSuffix(body, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	stream := ""
	for line := range strings.Lines(headers) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = expand(strings.TrimSpace(value))
		switch {
		case !ok:
		case key == "Method":
			req.Method = value
		case key == "Stream":
			stream = value
		case key == "Read":
			return c.read(value)
		case key == "Do":
			c.runner.do(t, strings.Fields(value))
			return ""
		default:
			req.Header.Set(key, value)
		}
	}
	if stream != "" {
		return c.open(stream, req)
	}
	res, err := c.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if session := res.Header.Get("Mcp-Session-Id"); session != "" {
		c.session = session
		end, _ := http.NewRequest(http.MethodDelete, c.server.URL, nil) //nolint:noctx // sent when the test's context has ended
		end.Header.Set("Mcp-Session-Id", session)
		end.Header.Set("Authorization", req.Header.Get("Authorization"))
		c.sessions = append(c.sessions, end)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\nContent-Type: %s\n\n", res.Status, res.Header.Get("Content-Type"))
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(answer)) {
		out.WriteString(indented(strings.TrimRight(line, "\n")))
	}
	return out.String()
}

// open sends a request and leaves its answer open. The answer to a GET begins at once. The
// answer to a POST, or to a GET that resumes one, begins with its first event.
func (c *conversation) open(name string, req *http.Request) string {
	body, begun := io.Pipe()
	answer := make(chan string, 1)
	ctx, cancel := context.WithCancel(req.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := c.server.Client().Do(req.WithContext(ctx))
		if err != nil {
			begun.CloseWithError(err)
			answer <- err.Error() + "\n"
			return
		}
		defer res.Body.Close()
		answer <- fmt.Sprintf("%s\nContent-Type: %s\n\n", res.Status, res.Header.Get("Content-Type"))
		_, err = io.Copy(begun, res.Body)
		begun.CloseWithError(err)
	}()
	c.heads[name] = bufio.NewReader(body)
	c.streams[name] = bufio.NewScanner(c.heads[name])
	late := time.AfterFunc(goneFor, func() { begun.CloseWithError(errors.New("nothing came")) })
	c.leave[name] = func() {
		late.Stop()
		cancel()
		_ = body.Close()
		<-done
	}
	if req.Method == http.MethodGet && !resumesPOST(req) {
		return <-answer
	}
	return ""
}

func resumesPOST(req *http.Request) bool {
	last := req.Header.Get("Last-Event-ID")
	return last != "" && !strings.HasPrefix(last, "_")
}

// read returns the next events of a stream.
func (c *conversation) read(what string) string {
	name, number, _ := strings.Cut(what, ",")
	left, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || c.streams[name] == nil {
		c.t.Fatalf("Read: %s", what)
	}
	var out strings.Builder
	for left > 0 && c.streams[name].Scan() {
		line := c.streams[name].Text()
		if strings.HasPrefix(line, "data: ") {
			left--
		}
		if !strings.HasPrefix(line, ":") {
			out.WriteString(indented(line))
		}
	}
	if left > 0 {
		c.t.Errorf("%s ended after %s", name, out.String())
	}
	return out.String()
}

// indented returns a line with its JSON indented. Only white space differs from the original.
func indented(line string) string {
	data, isData := strings.CutPrefix(line, "data: ")
	prefix := ""
	if isData {
		prefix = "data: "
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, []byte(data), "", "  ") == nil {
		return prefix + strings.TrimRight(pretty.String(), "\n") + "\n"
	}
	if line == "" {
		return ""
	}
	return line + "\n"
}
