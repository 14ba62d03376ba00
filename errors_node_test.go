package mcptasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// Each method of a node returns the errors that errors.go says it returns.
func TestErrorsOfANode(t *testing.T) {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, idle[nothing, any], nil)
	ctx := t.Context()
	node, err := runner.Open(ctx, "sqlite::memory:", tools, &runner.Config{Migrate: true, MaxLiveTasks: 2, MaxBacklog: 3, MaxArgumentBytes: 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })

	create := func(owner mcptasks.Owner, params mcptasks.CreateParams) (string, error) {
		task, err := node.Create(ctx, owner, params)
		if err != nil {
			return "", err
		}
		return task.ID, nil
	}
	made := func(owner mcptasks.Owner) string {
		id, err := create(owner, mcptasks.CreateParams{Tool: "report"})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	live, ended := made("alice"), made("alice")
	createError := func(owner mcptasks.Owner, params mcptasks.CreateParams) error {
		_, err := create(owner, params)
		return err
	}
	report := mcptasks.CreateParams{Tool: "report"}
	long := mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(`{"title":"` + strings.Repeat("a", 30) + `"}`)}
	type calls []struct {
		name string
		err  error
		want error
		says string // what a client may read
	}
	check := func(calls calls) {
		t.Helper()
		for _, call := range calls {
			var ours *mcptasks.Error
			switch {
			case !errors.Is(call.err, call.want):
				t.Errorf("%s: %v, want %v", call.name, call.err, call.want)
			case !errors.As(call.err, &ours) || !strings.Contains(ours.Err.Error(), call.says):
				t.Errorf("%s: %v, want it to say %q", call.name, call.err, call.says)
			}
		}
	}

	check(calls{
		{"Create over MaxLiveTasks", createError("alice", report), mcptasks.ErrLimit, "allows 2"},
		{"Create over MaxArgumentBytes", createError("bob", long), mcptasks.ErrLimit, "at most 30"},
		{"Create of an unknown tool", createError("bob", mcptasks.CreateParams{Tool: "print"}), mcptasks.ErrUnknownTool, `"print"`},
		{"Create with a list", createError("bob", mcptasks.CreateParams{Tool: "report", Arguments: json.RawMessage(`[]`)}), mcptasks.ErrInvalid, "JSON object"},
	})

	if _, err := node.Cancel(ctx, "alice", ended); err != nil {
		t.Fatal(err)
	}
	made("alice") // in its place
	made("bob")
	operator := node.Operator()
	_, getError := node.Get(ctx, "bob", live)
	_, cancelError := node.Cancel(ctx, "alice", ended)
	_, listError := node.List(ctx, "alice", "no cursor", 0)
	_, retryError := operator.Retry(ctx, live)
	_, limitError := operator.Retry(ctx, ended)
	check(calls{
		{"Create over MaxBacklog", createError("bob", report), mcptasks.ErrLimit, "allows 3"},
		{"Get of another owner's", getError, mcptasks.ErrNotFound, ""},
		{"Cancel of an ended task", cancelError, mcptasks.ErrTerminal, ""},
		{"List from no cursor", listError, mcptasks.ErrInvalid, "cursor"},
		{"Answer of an unknown task", node.Answer(ctx, "alice", "unknown", nil), mcptasks.ErrNotFound, ""},
		{"the operator's Delete of a live task", operator.Delete(ctx, live), mcptasks.ErrConflict, "cancel it first"},
		{"the operator's Retry of a live task", retryError, mcptasks.ErrConflict, ""},
		{"the operator's Retry over MaxLiveTasks", limitError, mcptasks.ErrLimit, "allows 2"},
	})
}

// Other limits are not ErrLimit.
func TestLimitsThatAreInvalid(t *testing.T) {
	tools, returned := mcptasks.NewTools(), make(chan error, 1)
	mcptasks.AddTool(tools, &mcp.Tool{Name: "report"}, func(ctx context.Context, run *mcptasks.Run, _ nothing) (*mcp.CallToolResult, any, error) {
		step := func(key string) error {
			_, err := mcptasks.Step(ctx, run, key, func(context.Context) (int, error) { return 1, nil })
			return err
		}
		err := errors.Join(step("one"), step("two"))
		returned <- err
		return nil, nil, err
	}, nil)
	node, err := runner.Open(t.Context(), "sqlite::memory:", tools, &runner.Config{Migrate: true, MaxSteps: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Create(t.Context(), "", mcptasks.CreateParams{Tool: "report"}); err != nil {
		t.Fatal(err)
	}
	if err := <-returned; !errors.Is(err, mcptasks.ErrInvalid) || errors.Is(err, mcptasks.ErrLimit) {
		t.Errorf("a step over MaxSteps: %v, want ErrInvalid", err)
	}
}

// The comment of a sentinel says who returns it, or that it is the cause of an end.
func TestSentinelsSayWhoReturnsThem(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	says := regexp.MustCompile(`^(Err\w+)(: | is returned by .*\b(Create|List|Answer|Cancel|Delete|Retry|Elicit|every method)\b)`)
	found := 0
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			doc := value.Doc
			if doc == nil {
				doc = group.Doc
			}
			found++
			text := strings.ReplaceAll(doc.Text(), "\n", " ")
			if match := says.FindStringSubmatch(text); match == nil || match[1] != value.Names[0].Name {
				t.Errorf("the comment of %s does not say who returns it: %s", value.Names[0], text)
			}
		}
	}
	if found != 12 {
		t.Errorf("errors.go declares %d sentinels, want 12", found)
	}
}
