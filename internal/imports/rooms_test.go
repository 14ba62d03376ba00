package imports

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// A room is a package of the module and the packages of the module that it may import. A
// room imports only rooms above it in the list, so that no two rooms need each other.
type room struct {
	path    string // "" is the root
	imports []string
	why     string
}

var rooms = []room{
	{"/internal/backoff", nil, "pauses between attempts, for whatever is attempted"},
	{"/internal/batch", nil, "batches calls, whatever they do"},
	{"/internal/names", nil, "what queues, schemas and schemes may be called"},
	{"/internal/notify", nil, "carries ids and queue names; the database is given to it"},
	{"/internal/telemetry", nil, "names spans and metrics for all others"},
	{"/internal/question", nil, "the rules of questions need MCP's types only"},
	{"/internal/sdkserver", nil, "an SDK server without a client"},
	{"/ops", nil, "asks a process for one method"},
	{"/internal/config", []string{"/internal/names"}, "checks the names of queues and schemas"},
	{"/internal/riverdb", []string{"/internal/notify"}, "River's listener hears of this process's own jobs"},
	{"/internal/fastpath", nil, "says when its packages can be deleted"},
	{"/internal/fastpath/directcall", []string{"/internal/sdkserver"}, "asks the SDK for a tool's schemas"},
	{"/internal/toolcall", []string{"/internal/fastpath/directcall", "/internal/question", "/internal/sdkserver"}, "calls a tool, directly or through the SDK"},
	{"", []string{"/internal/names", "/internal/question", "/internal/telemetry", "/internal/toolcall"}, "the author's room hides how a tool is called"},
	{"/internal/failure", []string{""}, "makes the root's outcomes"},
	{"/internal/mcpwire", []string{""}, "writes the root's tasks as MCP's JSON"},
	{"/tasktest", []string{"", "/internal/failure", "/internal/question", "/internal/toolcall"}, "runs a tool without a database"},
	{"/mcpclient", []string{"", "/internal/mcpwire", "/internal/telemetry"}, "speaks MCP, knows no engine"},

	// What serves knows no engine: it calls the root's Runner.
	{"/internal/fastpath/poll", []string{"", "/internal/mcpwire", "/internal/sdkserver"}, "answers tasks/get in the SDK's place"},
	{"/mcpserver/internal/pushstream", nil, "is given a function that writes"},
	{"/mcpserver/internal/sideband", []string{"", "/internal/mcpwire", "/mcpserver/internal/pushstream"}, "carries a request's owner, generation and stream"},
	{"/mcpserver/internal/message", []string{"/internal/mcpwire", "/mcpserver/internal/sideband"}, "fills the sideband from a message"},
	{"/mcpserver/internal/endpoint", []string{"/internal/mcpwire", "/mcpserver/internal/message", "/mcpserver/internal/pushstream", "/mcpserver/internal/sideband"}, "brings messages to the SDK"},
	{"/mcpserver/internal/service", []string{"", "/internal/mcpwire"}, "what all that answer share"},
	{"/mcpserver/internal/session", []string{"", "/internal/mcpwire", "/mcpserver/internal/pushstream", "/mcpserver/internal/service", "/mcpserver/internal/sideband"}, "asks and notifies the clients of sessions"},
	{"/mcpserver/internal/subscription", []string{"", "/internal/mcpwire", "/mcpserver/internal/service", "/mcpserver/internal/sideband"}, "pushes tasks to requests that listen"},
	{"/mcpserver/internal/call", []string{"", "/internal/mcpwire", "/mcpserver/internal/service", "/mcpserver/internal/session", "/mcpserver/internal/sideband"}, "a waiting call asks its session's client"},
	{"/mcpserver/internal/helper", []string{"", "/mcpserver/internal/call", "/mcpserver/internal/service"}, "waits for a task as a call does"},
	{"/mcpserver/internal/method", []string{"", "/internal/fastpath/poll", "/internal/mcpwire", "/mcpserver/internal/service", "/mcpserver/internal/session", "/mcpserver/internal/sideband"}, "shows the fast path what the SDK accepts"},
	{"/mcpserver", []string{
		"", "/internal/fastpath/poll", "/internal/mcpwire", "/internal/telemetry", "/mcpserver/internal/call", "/mcpserver/internal/endpoint",
		"/mcpserver/internal/helper", "/mcpserver/internal/message", "/mcpserver/internal/method", "/mcpserver/internal/service",
		"/mcpserver/internal/session", "/mcpserver/internal/sideband", "/mcpserver/internal/subscription",
	}, "puts the rooms together"},

	// The engine: rules above SQL, workers above rules, the runner above both.
	{"/store", []string{"", "/internal/names"}, "what an operator reads"},
	{"/migrations", []string{"", "/internal/backoff"}, "waits for locks"},
	{"/internal/taskstore/driver", []string{"", "/migrations", "/store"}, "what the rules need of a database"},
	{"/internal/taskstore", []string{
		"", "/internal/batch", "/internal/config", "/internal/failure", "/internal/names", "/internal/notify", "/internal/riverdb",
		"/internal/taskstore/driver", "/internal/telemetry", "/migrations", "/store",
	}, "the rules, over any driver"},
	{"/internal/taskstore/storetest", []string{"", "/internal/config", "/internal/failure", "/internal/notify", "/internal/riverdb", "/internal/taskstore", "/internal/taskstore/driver"}, "holds every driver to the rules"},
	{"/store/postgres", []string{"", "/internal/config", "/internal/names", "/internal/notify", "/internal/riverdb", "/internal/taskstore", "/internal/taskstore/driver", "/migrations"}, "registers its URL schemes with the rules"},
	{"/store/sqlite", []string{"", "/internal/config", "/internal/notify", "/internal/riverdb", "/internal/taskstore", "/internal/taskstore/driver", "/migrations"}, "registers its URL scheme with the rules"},
	{"/internal/workers", []string{
		"", "/internal/backoff", "/internal/config", "/internal/failure", "/internal/question", "/internal/riverdb", "/internal/taskstore",
		"/internal/taskstore/driver", "/internal/telemetry", "/internal/toolcall",
	}, "runs tools and writes by the rules"},
	{"/runner", []string{
		"", "/internal/config", "/internal/notify", "/internal/taskstore", "/internal/taskstore/driver", "/internal/telemetry",
		"/internal/workers", "/migrations", "/store",
	}, "is the entry to the engine"},
	{"/command/internal/doctor", []string{"", "/internal/config", "/internal/notify", "/internal/taskstore", "/migrations", "/store"}, "opens a database that may be too old to open otherwise"},
	{"/command", []string{
		"", "/command/internal/doctor", "/internal/config", "/internal/notify", "/internal/taskstore", "/mcpserver", "/migrations",
		"/ops", "/runner", "/store",
	}, "is a program of all of it"},
}

// TestRooms holds the arrows between the module's packages. Programs, examples, proofs
// and packages of tests may import what they like.
func TestRooms(t *testing.T) {
	imported := make(map[string][]string)
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if p.Name == "main" || below(path, []string{"/examples", "/internal/proof", "/internal/e2e", "/internal/testdb", "/internal/imports", "/docs"}) ||
			len(p.GoFiles) == 0 {
			continue
		}
		var ours []string
		for _, name := range p.Imports {
			if below(name, []string{module}) {
				ours = append(ours, strings.TrimPrefix(name, module))
			}
		}
		imported[path] = ours
	}
	above := make(map[string]bool)
	for _, r := range rooms {
		actual, ok := imported[r.path]
		if !ok {
			t.Errorf("%q is in the list and there is no such package", r.path)
		}
		for _, name := range r.imports {
			if !above[name] {
				t.Errorf("%q may import %q, which is not above it in the list", r.path, name)
			}
			if !slices.Contains(actual, name) {
				t.Errorf("%q may import %q and does not: take it out", r.path, name)
			}
		}
		for _, name := range actual {
			if !slices.Contains(r.imports, name) {
				t.Errorf("%q imports %q; it %s", r.path, name, r.why)
			}
		}
		above[r.path] = true
		delete(imported, r.path)
	}
	for _, path := range slices.Sorted(maps.Keys(imported)) {
		t.Errorf("package %q is not in the list: add it with what it may import, and why", path)
	}
}
