package mcpserver_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver"
)

// resumable returns a conversation with a server whose clients may resume a stream.
func resumable(t *testing.T, idle time.Duration) *conversation {
	return newConversationWith(t, &mcpserver.HandlerOptions{
		StreamableHTTP: mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil), SessionTimeout: idle},
	})
}

// resume opens a stream that continues after that event of another, which was closed. It
// repeats the request: the SDK rejects it until it has noticed the close.
func (c *conversation) resume(stream, event string) {
	c.t.Helper()
	const refusal = "stream ID conflicts"
	for began := time.Now(); time.Since(began) < goneFor; {
		answer := c.exchange(inSession + "Method: GET\nLast-Event-ID: " + event + "\nStream: " + stream + "\n\n")
		if answer == "" { // the answer begins with its first event
			head, _ := c.heads[stream].Peek(len(refusal))
			answer = string(head)
		}
		if answer != refusal && !strings.HasPrefix(answer, "409") {
			return
		}
		c.leave[stream]()
	}
	c.t.Fatal("the stream that was left stays open")
}

var eventID = regexp.MustCompile(`(?m)^id: (.+)$`)

// A question was written to a stream that broke. The client reads it when it resumes the
// stream: MCP delivers the same request, and the server does not ask again.
func TestQuestionOnABrokenStream(t *testing.T) {
	c := resumable(t, 0)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.wait("result", 1, "asking")
	begun := eventID.FindStringSubmatch(c.read("result, 1"))[1] // the stream begins with an event of its own
	c.leave["result"]()

	c.resume("again", begun)
	question := c.read("again, 1")
	c.wants(question, `"id": 1`, "elicitation/create", "color?")
	c.send(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"color":"red"}}}`)
	c.receives(c.runner.answered, "asking")
	c.do("complete asking")
	if got := c.read("again, 1"); !strings.Contains(got, "done") || strings.Contains(got, "color?") {
		t.Errorf("then came %s", got)
	}
}

// A client that resumes the stream of an answer still gets notifications on the session's own
// stream.
func TestResumedStreamIsNotThePushStream(t *testing.T) {
	c := resumable(t, 0)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.listen("session")
	c.get(1, "progress") // the session now follows the task
	c.wait("result", 2, "asking")
	begun := eventID.FindStringSubmatch(c.read("result, 1"))[1]
	c.read("result, 1")
	c.leave["result"]()
	c.resume("again", begun)
	c.wants(c.read("again, 1"), "color?")
	c.do("say progress one more")
	c.until("session", "one more")
	c.do("complete asking")
	c.wants(c.until("again", "done"), `"id": 2`)

	// The session's own stream may be resumed too. It is then still the session's own.
	c.leave["session"]()
	c.gone("progress")
	c.resume("session again", "_0")
	c.do("say progress and on")
	c.until("session again", "and on")
}

// If the client does not come back, its waiting requests end with the session.
func TestIdleSessionEndsWaitingRequests(t *testing.T) {
	for _, task := range []string{"working", "asking"} {
		c := resumable(t, time.Second)
		c.begin(`{"elicitation":{}}`)
		c.wait("result", 1, task)
		c.receives(c.runner.begun, task)
		c.leave["result"]()
		c.gone(task)
		c.end()
	}
}

// A request whose client leaves before the request begins does not wait, with or without an
// EventStore. Nothing would end it otherwise.
func TestClientLeavesAtOnce(t *testing.T) {
	for name, c := range map[string]*conversation{"resumable": resumable(t, 0), "not": newConversation(t)} {
		t.Run(name, func(t *testing.T) {
			defer c.end() // the session's end would wait for it
			c.begin(`{"elicitation":{}}`)
			for id := range 50 {
				c.wait("result", id+1, "working")
				c.leave["result"]()
			}
		})
	}
}

// A rejected DELETE ends nothing.
func TestRejectedDelete(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{}`)
	c.wait("result", 1, "working")
	c.get(2, "working")
	c.wants(c.exchange("Mcp-Session-Id: ${session}\nMcp-Protocol-Version: 1999-01-01\nMethod: DELETE\n\n"), "400 Bad Request")
	c.do("complete working")
	c.wants(c.read("result, 1"), `"id": 1`, "done")
}
