package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A round is the answer to one round trip of a call that needs several (SEP-2322). It has
// either questions and the state for the next round, or the final text.
type round struct {
	questions mcp.InputRequestMap
	state     string
	text      string
}

// next returns the round for the answers so far and the state of the last round. addRounds
// has checked that the client did not change the state.
type next func(req *mcp.CallToolRequest, answers mcp.InputResponseMap, state string) round

func addRounds(server *mcp.Server, name string, n next) {
	addPlain(server, name, "Asks before it answers, in one round or more", func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		state, ok := opened(req.Params.RequestState)
		if !ok {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the requestState is not one that this server sent"}
		}
		r := n(req, req.Params.InputResponses, state)
		if r.questions == nil {
			return text("%s", r.text), nil
		}
		return &mcp.CallToolResult{InputRequests: r.questions, RequestState: sealed(r.state)}, nil
	})
}

// prefix begins the names of the tools and the prompt that ask within the call.
const prefix = "test_input_required_result_"

// The questions.
var (
	name     = &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: object("name", "string")}
	color    = &mcp.ElicitParams{Message: "What is your favorite color?", RequestedSchema: object("color", "string")}
	confirm  = &mcp.ElicitParams{Message: "Please confirm", RequestedSchema: object("ok", "boolean")}
	greeting = sampling("Generate a short greeting")
	roots    = &mcp.ListRootsParams{} //nolint:staticcheck // roots and sampling are deprecated with 2026-07-28, which still has them
)

// addRoundTools registers the tools and the prompt that ask within the call.
func addRoundTools(server *mcp.Server) {
	addSingleRounds(server)
	addSeveralRounds(server)
	addRoundPrompt(server)
}

// addSingleRounds registers the tools that ask one question.
func addSingleRounds(server *mcp.Server) {
	addRounds(server, prefix+"elicitation", func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, _ string) round {
		if name, ok := accepted(answers, "user_name", "name"); ok {
			return round{text: fmt.Sprintf("Hello, %s!", name)}
		}
		return round{questions: mcp.InputRequestMap{"user_name": name}}
	})
	addRounds(server, prefix+"sampling", func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, _ string) round {
		if sampled(answers["capital_question"]) {
			return round{text: "the model has spoken"}
		}
		return round{questions: mcp.InputRequestMap{"capital_question": sampling("What is the capital of France?")}}
	})
	addRounds(server, prefix+"list_roots", func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, _ string) round {
		if listed(answers["client_roots"]) {
			return round{text: "the roots are known"}
		}
		return round{questions: mcp.InputRequestMap{"client_roots": roots}}
	})
	for _, tool := range []string{"request_state", "tampered_state"} {
		addRounds(server, prefix+tool, func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, state string) round {
			if _, ok := accepted(answers, "confirm", "ok"); ok && state == tool {
				return round{text: "state-ok"}
			}
			return round{questions: mcp.InputRequestMap{"confirm": confirm}, state: tool}
		})
	}
}

// addSeveralRounds registers the tools that ask several questions, or none.
func addSeveralRounds(server *mcp.Server) {
	addRounds(server, prefix+"multiple_inputs", func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, _ string) round {
		if name, ok := accepted(answers, "user_name", "name"); ok && sampled(answers["greeting"]) && listed(answers["client_roots"]) {
			return round{text: fmt.Sprintf("%s has answered everything", name)}
		}
		return round{questions: mcp.InputRequestMap{"user_name": name, "greeting": greeting, "client_roots": roots}, state: "asked"}
	})
	addRounds(server, prefix+"multi_round", func(_ *mcp.CallToolRequest, answers mcp.InputResponseMap, state string) round {
		if name, second := strings.CutPrefix(state, "name="); second {
			if color, ok := accepted(answers, "step2", "color"); ok {
				return round{text: fmt.Sprintf("%s likes %s", name, color)}
			}
			return round{questions: mcp.InputRequestMap{"step2": color}, state: state}
		}
		if name, ok := accepted(answers, "step1", "name"); ok {
			return round{questions: mcp.InputRequestMap{"step2": color}, state: fmt.Sprint("name=", name)}
		}
		return round{questions: mcp.InputRequestMap{"step1": name}, state: "asked"}
	})
	addRounds(server, prefix+"capabilities", func(req *mcp.CallToolRequest, answers mcp.InputResponseMap, _ string) round {
		questions := make(mcp.InputRequestMap)
		if can := req.ClientCapabilities(); can != nil && len(answers) == 0 {
			if can.Elicitation != nil {
				questions["user_name"] = name
			}
			if can.Sampling != nil { //nolint:staticcheck // as roots
				questions["greeting"] = greeting
			}
		}
		if len(questions) == 0 {
			return round{text: "there is nothing to ask this client"}
		}
		return round{questions: questions}
	})
}

// addRoundPrompt registers the prompt that asks a question.
func addRoundPrompt(server *mcp.Server) {
	server.AddPrompt(&mcp.Prompt{Name: prefix + "prompt", Description: "Asks before it answers"},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			answer, ok := accepted(req.Params.InputResponses, "user_context", "context")
			if !ok {
				return &mcp.GetPromptResult{InputRequests: mcp.InputRequestMap{
					"user_context": &mcp.ElicitParams{Message: "What is it about?", RequestedSchema: object("context", "string")},
				}}, nil
			}
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{userSaid(&mcp.TextContent{Text: fmt.Sprint(answer)})}}, nil
		})
}

// accepted returns a member of the accepted elicitation with the key.
func accepted(answers mcp.InputResponseMap, key, member string) (any, bool) {
	answer, ok := answers[key].(*mcp.ElicitResult)
	if !ok || answer == nil || answer.Action != "accept" {
		return nil, false
	}
	value, ok := answer.Content[member]
	return value, ok && value != ""
}

func sampled(answer mcp.InputResponse) bool {
	result, ok := answer.(*mcp.CreateMessageWithToolsResult) //nolint:staticcheck // as roots
	return ok && result != nil
}

func listed(answer mcp.InputResponse) bool {
	result, ok := answer.(*mcp.ListRootsResult) //nolint:staticcheck // as roots
	return ok && result != nil
}

// stateKey signs the states. All nodes must have the same key. It is not secret in this
// example.
const stateKey = "mcptasks-conformance"

// sealed returns the state with its signature. The client can read it, but not change it.
func sealed(state string) string {
	if state == "" {
		return ""
	}
	return hex.EncodeToString(mac(state)) + " " + state
}

// opened returns the state that the client sent, "" if it sent none, and whether its
// signature is valid.
func opened(sent string) (string, bool) {
	if sent == "" {
		return "", true
	}
	seal, state, _ := strings.Cut(sent, " ")
	sum, err := hex.DecodeString(seal)
	return state, err == nil && hmac.Equal(sum, mac(state))
}

func mac(state string) []byte {
	h := hmac.New(sha256.New, []byte(stateKey))
	h.Write([]byte(state))
	return h.Sum(nil)
}
