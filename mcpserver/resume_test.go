package mcpserver_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks/mcpserver"
)

// resumable is a conversation with a server whose clients may come back to a stream.
func resumable(t *testing.T, idle time.Duration) *conversation {
	return newConversationWith(t, &mcpserver.HandlerOptions{
		StreamableHTTP: mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil), SessionTimeout: idle},
	})
}

// resume opens a stream that goes on where another was left, after that event.
func (c *conversation) resume(stream, event string) {
	c.t.Helper()
	c.exchange(inSession + "Method: GET\nLast-Event-ID: " + event + "\nStream: " + stream + "\n\n")
}

var eventID = regexp.MustCompile(`(?m)^id: (.+)$`)

// A question that was written to a stream that broke is read where the client goes on
// with the stream, which is how MCP has it: it is the same request, asked once.
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
	c.say(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"color":"red"}}}`)
	c.hears(c.runner.answered, "asking")
	c.do("complete asking")
	if got := c.read("again, 1"); !strings.Contains(got, "done") || strings.Contains(got, "color?") {
		t.Errorf("then came %s", got)
	}
}

// A client that resumes the stream of an answer goes on hearing the rest on the
// session's own stream.
func TestResumedStreamIsNotTheSessions(t *testing.T) {
	c := resumable(t, 0)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.listen("session")
	c.get(1, "progress") // it is told of its changes
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

	// The session's stream may itself be resumed, and is then the session's.
	c.leave["session"]()
	c.gone("progress")
	c.resume("session again", "_0")
	c.do("say progress and on")
	c.until("session again", "and on")
}

// What waits in a session whose client does not come back ends with the session.
func TestIdleSessionEndsWithWhatWaits(t *testing.T) {
	for _, task := range []string{"working", "asking"} {
		c := resumable(t, time.Second)
		c.begin(`{"elicitation":{}}`)
		c.wait("result", 1, task)
		c.read("result, 1")
		c.leave["result"]()
		c.gone(task)
		c.end()
	}
}

// A DELETE that is refused ends nothing.
func TestRefusedDelete(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{}`)
	c.wait("result", 1, "working")
	c.get(2, "working")
	c.wants(c.exchange("Mcp-Session-Id: ${session}\nMcp-Protocol-Version: 1999-01-01\nMethod: DELETE\n\n"), "400 Bad Request")
	c.do("complete working")
	c.wants(c.read("result, 1"), `"id": 1`, "done")
}
