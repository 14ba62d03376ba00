// Command approval serves a durable tool that asks a person and goes on when the answer
// comes, even days later. Meanwhile only a row in the database waits for the answer, and
// the program may be restarted.
//
// Every request needs a bearer token. The token's user owns the tasks that it creates. No
// other user can see them or answer their questions.
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
	_ "github.com/mcptasks/mcptasks/store/postgres" // the databases that DATABASE_URL may name
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

type payment struct {
	To     string  `json:"to" jsonschema:"who is paid"`
	Amount float64 `json:"amount" jsonschema:"how much, in euros"`
}

// pay runs up to the question. When the question is answered it runs again from the top,
// and Elicit returns the answer at once. A payment that was recorded is never made again.
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
	case err != nil: // usually there is no answer yet, and the task is parked
		return nil, nil, err
	case answer.Action != "accept" || answer.Content["approved"] != true:
		return text("%s was not paid: it was not approved", in.To), nil, nil
	}
	receipt, err := mcptasks.Step(ctx, run, "pay", func(context.Context) (string, error) {
		return "payment " + run.TaskID(), nil // a real payment sends this id to the bank, which then does not pay twice
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

// newHandler serves the tools to the users, who are keyed by their tokens. A real program
// verifies tokens that an identity provider has signed.
func newHandler(tools *mcptasks.Tools, node mcptasks.Runner, users map[string]string) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "approval", Version: "v0.1.0"}, nil)
	mcpserver.Mount(server, tools, node, nil) // the owner of a task is the UserID of the request's token
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
	flag.Func("token", "a user and the token, as user=token; repeat it for each user", func(value string) error {
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
	if err := node.Start(ctx); err != nil { // run the tasks in this process
		log.Fatal(err)
	}
	httpServer := &http.Server{Addr: *addr, Handler: newHandler(tools, node, users), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = httpServer.Close() }) // clients try again
	log.Printf("serving %d users on http://%s", len(users), *addr)
	log.Print(httpServer.ListenAndServe())
}
