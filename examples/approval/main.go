// Command approval serves a durable tool that asks a person and goes on when the
// answer comes, be it days later: nothing waits for it but a row in the database,
// and the program may be restarted as often as one likes in the meantime.
//
// Every request needs a bearer token. Its user owns the tasks it makes, and nobody
// else can see them or answer their questions.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/mcpserver"
	"github.com/mcptasks/mcptasks/runner"
	_ "github.com/mcptasks/mcptasks/store/postgres" // what DATABASE_URL may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type payment struct {
	To     string  `json:"to" jsonschema:"who is paid"`
	Amount float64 `json:"amount" jsonschema:"how much, in euros"`
}

// pay runs up to the question, and, when that is answered, once more from the top:
// Elicit then returns the answer at once. A payment that was recorded is not made
// again, whatever happens afterwards.
func pay(ctx context.Context, run *mcptasks.Run, in payment) (*mcp.CallToolResult, any, error) {
	answer, err := run.Elicit(ctx, "approve", &mcp.ElicitParams{
		Message: fmt.Sprintf("Pay %.2f € to %s?", in.Amount, in.To),
		RequestedSchema: map[string]any{
			"type": "object", "required": []string{"approved"},
			"properties": map[string]any{"approved": map[string]any{"type": "boolean"}},
		},
	})
	switch {
	case errors.Is(err, mcptasks.ErrUnanswered):
		return text("%s was not paid: nobody answered", in.To), nil, nil
	case err != nil: // above all: there is no answer yet, and the task is parked
		return nil, nil, err
	case answer.Action != "accept" || answer.Content["approved"] != true:
		return text("%s was not paid: it was not approved", in.To), nil, nil
	}
	receipt, err := mcptasks.Step(ctx, run, "pay", func(context.Context) (string, error) {
		return "payment " + run.TaskID(), nil // a bank is told this id, lest it pay twice
	})
	if err != nil {
		return nil, nil, err
	}
	return text("%s was paid %.2f €: %s", in.To, in.Amount, receipt), nil, nil
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func newTools() *mcptasks.Tools {
	tools := mcptasks.NewTools()
	mcptasks.AddTool(tools, &mcp.Tool{Name: "pay", Description: "Pays somebody, after approval"}, pay,
		&mcptasks.ToolOptions{TaskSupport: mcptasks.TaskRequired, QuestionDeadline: 30 * 24 * time.Hour})
	return tools
}

// newHandler serves the tools to the users of the tokens. A real verifier checks a
// token that an identity provider has signed.
func newHandler(tools *mcptasks.Tools, node mcptasks.Runner, users map[string]string) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "approval", Version: "v0.1.0"}, nil)
	mcpserver.Mount(server, tools, node, nil) // a task's owner is its token's UserID
	handler := mcpserver.NewHandler(func(*http.Request) *mcp.Server { return server }, nil)
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		user, ok := users[token]
		if !ok {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{UserID: user}, nil
	}
	return auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(handler)
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	users := make(map[string]string)
	flag.Func("token", "user=token, as often as there are users", func(value string) error {
		user, token, ok := strings.Cut(value, "=")
		if users[token] = user; !ok || user == "" || token == "" {
			return errors.New("want user=token")
		}
		return nil
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tools := newTools()
	node, err := runner.Open(ctx, cmp.Or(os.Getenv("DATABASE_URL"), "sqlite:approval.db"), tools, &runner.Config{Migrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(ctx); err != nil { // work in this process, too
		log.Fatal(err)
	}
	httpServer := &http.Server{Addr: *addr, Handler: newHandler(tools, node, users), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = httpServer.Close() }) // clients ask again
	log.Printf("serving %d users on http://%s", len(users), *addr)
	log.Print(httpServer.ListenAndServe())
}
