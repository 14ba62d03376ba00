package runner_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
)

// TestOutcomesAreAudited calls every method of a node and of an operator by which an
// outcome can be read. A method that is new must be listed here.
func TestOutcomesAreAudited(t *testing.T) {
	t.Parallel()
	w := open(t, true)
	id, ctx, operator := w.create(""), t.Context(), w.Operator()
	w.until(id, mcptasks.StatusCompleted)
	outcome := func(task *mcptasks.Task, err error) bool {
		return task != nil && task.Outcome != nil && task.Outcome.Result != nil
	}
	reads := map[string]func() bool{
		"Node.Get":    func() bool { return outcome(w.Get(ctx, "alice", id)) },
		"Node.Cancel": func() bool { return outcome(w.Cancel(ctx, "alice", id)) },
		"Node.Watch": func() bool {
			for task, err := range w.Watch(ctx, "alice", id) {
				return outcome(task, err)
			}
			return false
		},
		"Operator.Get": func() bool { return outcome(operator.Get(ctx, id)) },
		"Operator.Show": func() bool {
			shown, err := operator.Show(ctx, id)
			return err == nil && outcome(shown.Task, nil)
		},
		"Operator.Watch": func() bool {
			for task, err := range operator.Watch(ctx, id) {
				return outcome(task, err)
			}
			return false
		},
	}
	for name, read := range reads {
		w.audit.drain()
		if !read() {
			t.Errorf("%s returned no outcome", name)
		}
		line := w.audit.drain()
		if strings.Count(line, "action=read") != 1 || strings.Contains(line, "operator=true") != strings.HasPrefix(name, "Operator") {
			t.Errorf("%s wrote the audit lines %q", name, line)
		}
	}

	// List says of an outcome whether it is an error, and no more.
	silent := map[string]bool{
		"Node.Close": true, "Node.ID": true, "Node.Operator": true, "Node.Ready": true, "Node.Start": true, "Node.Stop": true,
		"Node.Create": true, "Node.Answer": true, "Node.List": true,
		"Operator.Close": true, "Operator.Answer": true, "Operator.Cancel": true, "Operator.Delete": true, "Operator.List": true,
		"Operator.Nodes": true, "Operator.Retry": true, "Operator.Survey": true,
	}
	for _, kind := range []reflect.Type{reflect.TypeFor[*runner.Node](), reflect.TypeFor[*runner.Operator]()} {
		for method := range kind.Methods() {
			name := kind.Elem().Name() + "." + method.Name
			if silent[name] == (reads[name] != nil) {
				t.Errorf("%s: say here whether an outcome can be read by it", name)
			}
		}
		for field := range kind.Elem().Fields() {
			if field.IsExported() {
				t.Errorf("%s.%s is exported: outcomes can be read past the audit", kind.Elem().Name(), field.Name)
			}
		}
	}
	page, err := operator.List(ctx, store.Query{}, "", 10)
	if err != nil || len(page.Tasks) != 1 || outcome(page.Tasks[0], nil) {
		t.Errorf("the operator's list is %+v, %v", page, err)
	}
	page, err = w.List(ctx, "alice", "", 10)
	if err != nil || len(page.Tasks) != 1 || outcome(page.Tasks[0], nil) {
		t.Errorf("the list is %+v, %v", page, err)
	}
	params := mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(`{"do":""}`), IdempotencyKey: "key"}
	first, err := w.Create(ctx, "alice", params)
	if err != nil {
		t.Fatal(err)
	}
	w.until(first.ID, mcptasks.StatusCompleted)
	if again, err := w.Create(ctx, "alice", params); err != nil || again.ID != first.ID || outcome(again, nil) {
		t.Errorf("the same call again returned %+v, %v", again, err)
	}
}
