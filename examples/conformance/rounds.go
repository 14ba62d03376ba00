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

// A round is what a call of several round trips (SEP-2322) is answered with:
// questions and what the next round must know, or, when nothing is left to ask,
// the text.
type round struct {
	questions mcp.InputRequestMap
	state     string
	text      string
}

// next makes a round of the answers so far and of the last round's state, which is
// the one that was sent: addRounds has seen to it.
type next func(req *mcp.CallToolRequest, answers mcp.InputResponseMap, state string) round

func addRounds(server *mcp.Server, name string, n next) {
	addPlain(server, name, "Asks before it answers, in as many rounds as it takes", func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		state, ok := opened(req.Params.RequestState)
		if !ok {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the requestState is not one that was sent"}
		}
		r := n(req, req.Params.InputResponses, state)
		if r.questions == nil {
			return text("%s", r.text), nil
		}
		return &mcp.CallToolResult{InputRequests: r.questions, RequestState: sealed(r.state)}, nil
	})
}

// addRoundTools registers the tools that ask within the call, and the prompt that does.
func addRoundTools(server *mcp.Server) {
	const prefix = "test_input_required_result_"
	name := &mcp.ElicitParams{Message: "What is your name?", RequestedSchema: object("name", "string")}
	color := &mcp.ElicitParams{Message: "What is your favorite color?", RequestedSchema: object("color", "string")}
	confirm := &mcp.ElicitParams{Message: "Please confirm", RequestedSchema: object("ok", "boolean")}
	greeting := sampling("Generate a short greeting")
	roots := &mcp.ListRootsParams{} //nolint:staticcheck // roots and sampling are deprecated with 2026-07-28, which still has them

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

// accepted is the member of the answer under the key, if the user gave one.
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

// stateKey seals the states. It is no secret, as nothing here is: every node of a
// database must open what another has sealed.
const stateKey = "mcptasks-conformance"

// sealed is the state as it goes to the client, who may read but not change it.
func sealed(state string) string {
	if state == "" {
		return ""
	}
	return hex.EncodeToString(mac(state)) + " " + state
}

// opened is the state that came back, "" if none did, and whether it was sealed here.
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
