package mcpserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// begin starts a 2025-11-25 session of a client with these capabilities.
func (c *conversation) begin(capabilities string) {
	c.t.Helper()
	c.exchange(fmt.Sprintf("\n\n"+`{"jsonrpc":"2.0","id":1000,"method":"initialize","params":{"protocolVersion":"2025-11-25",`+
		`"capabilities":%s,"clientInfo":{"name":"client","version":"1"}}}`, capabilities))
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

const inSession = "Mcp-Protocol-Version: 2025-11-25\nMcp-Session-Id: ${session}\n"

// send sends a message in the session and returns the answer.
func (c *conversation) send(message string) string { return c.exchange(inSession + "\n" + message) }

// wait sends tasks/result and leaves the answer open.
func (c *conversation) wait(stream string, id int, task string) {
	c.exchange(inSession + "Stream: " + stream + "\n\n" +
		fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tasks/result","params":{"taskId":%q}}`, id, task))
}

func (c *conversation) get(id int, task string) string {
	return c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tasks/get","params":{"taskId":%q}}`, id, task))
}

// listen opens the session's own stream.
func (c *conversation) listen(stream string) {
	c.t.Helper()
	if answer := c.exchange(inSession + "Method: GET\nStream: " + stream + "\n\n"); !strings.HasPrefix(answer, "200 ") {
		c.t.Fatal(answer)
	}
}

func (c *conversation) wants(got string, parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			c.t.Errorf("got %s, want %s in it", got, part)
		}
	}
}

func (c *conversation) do(what string) { c.runner.do(c.t, strings.Fields(what)) }

// gone fails the test unless a watch of the task ends soon.
func (c *conversation) gone(task string) {
	c.t.Helper()
	c.receives(c.runner.left, task)
}

// receives fails the test unless the channel soon receives the task's id.
func (c *conversation) receives(from <-chan string, task string) {
	c.t.Helper()
	select {
	case id := <-from:
		if id != task {
			c.t.Errorf("received %s, want %s", id, task)
		}
	case <-time.After(goneFor):
		c.t.Errorf("%s was not received", task)
	}
}

// A tasks/result ends with its client, and the task goes on.
func TestResultEndsWithItsClient(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.wait("first", 1, "asking") // it has begun when the question comes
	c.read("first, 1")
	c.leave["first"]()
	c.gone("asking")

	// The question may still be answered, and the result read.
	c.send(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"color":"red"}}}`)
	c.wait("second", 2, "asking")
	c.do("complete asking")
	c.wants(c.read("second, 1"), `"id": 2`, `"text": "done"`)
}

// A session can end while a request waits in it and a question is open.
func TestSessionEndsWaitingRequests(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.wait("result", 1, "asking")
	c.read("result, 1")
	answer := c.exchange(inSession + "Method: DELETE\n\n")
	c.wants(answer, "204 No Content")
	c.gone("asking")
	c.wants(c.get(2, "asking"), "404 Not Found", "session not found")
}

// A question without an open stream is sent when a stream opens, once.
func TestQuestionWaitsForAStream(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{"elicitation":{}}`)
	c.wants(c.get(1, "asking"), "input_required")
	c.listen("one")
	c.wants(c.read("one, 1"), "elicitation/create", `"message": "color?"`)
	c.leave["one"]()
	c.gone("asking")

	c.do("ask asking size")
	c.listen("two")
	got := c.read("two, 2")
	c.wants(got, "notifications/tasks/status", `"message": "size?"`)
	if strings.Contains(got, "color") {
		t.Errorf("it was asked twice: %s", got)
	}

	// Another session gets the questions too.
	c.begin(`{"elicitation":{}}`)
	c.wait("other", 1, "asking")
	c.wants(c.read("other, 2"), "color?", "size?")
	c.do("complete asking")
	c.wants(c.read("other, 1"), `"id": 1`, "done")
}

// If a client rejects a question, by an error or an invalid answer, the question stays open
// for others.
func TestQuestionThatIsNotAnswered(t *testing.T) {
	for name, response := range map[string]string{
		"an error":          `"error":{"code":-32603,"message":"Internal error"}`,
		"the wrong content": `"result":{"action":"accept","content":{"colour":1}}`,
		"no action":         `"result":{}`,
		"no result":         `"result":7`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t)
			defer c.end()
			c.begin(`{"elicitation":{}}`)
			c.wait("result", 1, "asking")
			c.read("result, 1")
			c.send(`{"jsonrpc":"2.0","id":1,` + response + `}`)
			c.wants(c.get(2, "asking"), "input_required")
			c.do("complete asking")
			c.wants(c.read("result, 1"), `"id": 1`, "done")
		})
	}
}

// A client without the capability gets no question. The question stays open for others.
func TestQuestionWithoutTheCapability(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{}`)
	c.wait("result", 1, "asking")
	c.get(2, "asking")
	c.do("complete asking")
	c.wants(c.read("result, 1"), `"id": 1`, "done")
}

// make makes a task by a tools/call of the client. The task is not run.
func (c *conversation) make() (task string) {
	c.t.Helper()
	c.runner.idle = true
	c.wants(c.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},"task":{}}}`), `"taskId": "created-1"`)
	return "created-1"
}

// until reads a stream up to the event that contains the part.
func (c *conversation) until(stream, part string) (read string) {
	c.t.Helper()
	for !strings.Contains(read, part) && !c.t.Failed() {
		read += c.read(stream + ", 1")
	}
	return read
}

// leaveSession ends the session.
func (c *conversation) leaveSession() {
	c.t.Helper()
	c.wants(c.exchange(inSession+"Method: DELETE\n\n"), "204 No Content")
}

// A client that only reads a task gets its questions after the task's own client has gone,
// and not before.
func TestOnlookerIsNotAsked(t *testing.T) {
	for name, stay := range map[string]func(c *conversation, task string){
		"its client has a stream": func(c *conversation, _ string) { c.listen("maker") },
		"its client waits":        func(c *conversation, task string) { c.wait("maker", 2, task) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t)
			defer c.end()
			c.begin(`{"elicitation":{}}`)
			maker, task := c.session, c.make()
			stay(c, task)
			c.do("ask " + task + " color")
			c.until("maker", "color?")

			c.begin(`{"elicitation":{}}`)
			onlooker := c.session
			c.listen("onlooker")
			c.wants(c.get(3, task), "input_required")
			c.do("ask " + task + " size")
			c.do("say " + task + " nobody answers")
			if got := c.until("onlooker", "nobody answers"); strings.Contains(got, "elicitation") {
				t.Errorf("the onlooker was asked: %s", got)
			}

			c.session = maker
			c.leaveSession()
			c.session = onlooker
			c.wants(c.get(4, task), "input_required")
			c.until("onlooker", `"id": 2,`) // the second of two questions
		})
	}
}

// If a task's own client cannot answer, any client of its owner may.
func TestOnlookerIsAskedForAnother(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{}`)
	task := c.make()
	c.listen("maker")
	c.do("ask " + task + " color")
	c.begin(`{"elicitation":{}}`)
	c.listen("onlooker")
	c.get(2, task)
	c.until("onlooker", "color?")
	c.send(`{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}`)
	c.receives(c.runner.answered, task)
}

// If a task's own client rejects a question, any client of its owner may answer that question,
// and only that one.
func TestOnlookerIsAskedRejectedQuestion(t *testing.T) {
	for name, rejection := range map[string]string{
		"an error":          `"error":{"code":-32603,"message":"Internal error"}`,
		"an invalid answer": `"result":{}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t)
			defer c.end()
			c.begin(`{"elicitation":{}}`)
			maker, task := c.session, c.make()
			c.listen("maker")
			c.do("ask " + task + " color")
			c.until("maker", "color?")
			c.do("ask " + task + " size")
			c.until("maker", "size?")
			c.begin(`{"elicitation":{}}`)
			onlooker := c.session
			c.listen("onlooker")

			c.session = maker
			c.send(`{"jsonrpc":"2.0","id":1,` + rejection + `}`)
			c.session = onlooker
			got := ""
			for deadline := time.Now().Add(goneFor); !strings.Contains(got, "elicitation") && time.Now().Before(deadline); {
				c.get(2, task) // the server handles the rejection after it has acknowledged it
				c.do("say " + task + " and on")
				got += c.read("onlooker, 1")
			}
			c.wants(got, "color?")
			if strings.Contains(got, "size?") {
				t.Errorf("it was asked a question that the maker may still answer: %s", got)
			}
		})
	}
}

// The questions of a plain call come on its own stream, as with a tool without tasks.
func TestPlainCallIsAsked(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.runner.idle = true
	c.begin(`{"elicitation":{}}`)
	c.listen("session")
	call := func(stream string, id int) {
		c.exchange(inSession + "Stream: " + stream + "\n\n" +
			fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`, id))
		<-c.runner.watching
	}
	call("call", 7)
	c.do("ask created-1 color")
	got := c.read("call, 1")
	c.wants(got, "elicitation/create", `"message": "color?"`)
	if strings.Contains(got, "related-task") {
		t.Errorf("it names a task that the client does not know: %s", got)
	}
	c.send(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"color":"red"}}}`)
	c.receives(c.runner.answered, "created-1")
	c.do("complete created-1")
	c.wants(c.read("call, 1"), `"id": 7`, "done")

	// The end of the session ends the call and cancels its task.
	call("left", 8)
	c.do("ask created-2 size")
	c.wants(c.read("left, 1"), "size?")
	c.leaveSession()
	c.gone("created-2")
	c.receives(c.runner.cancelled, "created-2")
}

// A user can neither read nor end another user's session.
func TestSessionOfAnotherUser(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.exchange("Authorization: Bearer user:alice\n\n" + `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"client","version":"1"}}}`)
	alice, bob := inSession+"Authorization: Bearer user:alice\n", inSession+"Authorization: Bearer user:bob\n"
	get := `{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"alices"}}`
	c.wants(c.exchange(alice+"\n"+get), `"taskId": "alices"`)
	for _, request := range []string{bob + "\n" + get, bob + "Method: GET\n\n", bob + "Method: DELETE\n\n", inSession + "Method: DELETE\n\n"} {
		c.wants(c.exchange(request), "403 Forbidden")
	}
	c.wants(c.exchange(alice+"\n"+get), `"taskId": "alices"`)
}

// A client cannot forge the sideband: HTTP does not carry a header with its name.
func TestForgedSideband(t *testing.T) {
	c := newConversation(t)
	defer c.end()
	c.begin(`{}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header["mcptasks sideband"] = []string{"1", "http"}
	if res, err := c.server.Client().Do(req); err == nil {
		_ = res.Body.Close()
		t.Errorf("the header was sent: %s", res.Status)
	}
}
