package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addResources registers the suite's resources.
func addResources(server *mcp.Server) {
	for _, contents := range []mcp.ResourceContents{
		{URI: "test://static-text", MIMEType: "text/plain", Text: "This is the content of the static text resource."},
		{URI: "test://static-binary", MIMEType: "image/png", Blob: pixel()},
		{URI: "test://watched-resource", MIMEType: "text/plain", Text: "A resource to subscribe to"},
	} {
		name := strings.TrimPrefix(contents.URI, "test://")
		server.AddResource(&mcp.Resource{Name: name, URI: contents.URI, MIMEType: contents.MIMEType, Description: "Never changes"},
			func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
				return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{&contents}}, nil
			})
	}
	const before, after = "test://template/", "/data"
	server.AddResourceTemplate(&mcp.ResourceTemplate{Name: "template", URITemplate: before + "{id}" + after, MIMEType: "application/json"},
		func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			id := strings.TrimSuffix(strings.TrimPrefix(req.Params.URI, before), after)
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{
				URI: req.Params.URI, MIMEType: "application/json", Text: fmt.Sprintf(`{"id": %q}`, id),
			}}}, nil
		})
}

// addPrompts registers the suite's prompts.
func addPrompts(server *mcp.Server) {
	server.AddPrompt(&mcp.Prompt{Name: "test_simple_prompt", Description: "Always returns the same text"},
		userSays(&mcp.TextContent{Text: "This is a simple prompt for testing."}))
	server.AddPrompt(&mcp.Prompt{Name: "test_prompt_with_image", Description: "Shows an image"},
		userSays(&mcp.ImageContent{Data: pixel(), MIMEType: "image/png"}))
	server.AddPrompt(&mcp.Prompt{Name: "test_prompt_with_arguments", Description: "Repeats its arguments", Arguments: required("arg1", "arg2")},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			words := fmt.Sprintf("arg1='%s', arg2='%s'", req.Params.Arguments["arg1"], req.Params.Arguments["arg2"])
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{userSaid(&mcp.TextContent{Text: words})}}, nil
		})
	server.AddPrompt(&mcp.Prompt{Name: "test_prompt_with_embedded_resource", Description: "Embeds a resource", Arguments: required("resourceUri")},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			embedded := &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{
				URI: req.Params.Arguments["resourceUri"], MIMEType: "text/plain", Text: "An embedded resource",
			}}
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{userSaid(embedded)}}, nil
		})
}

func required(names ...string) []*mcp.PromptArgument {
	var args []*mcp.PromptArgument
	for _, name := range names {
		args = append(args, &mcp.PromptArgument{Name: name, Required: true})
	}
	return args
}

// userSays returns a handler that answers prompts/get with one message of the user.
func userSays(content mcp.Content) mcp.PromptHandler {
	return func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{userSaid(content)}}, nil
	}
}

func userSaid(content mcp.Content) *mcp.PromptMessage {
	return &mcp.PromptMessage{Role: "user", Content: content}
}

// serverOptions declare what the suite needs besides tools, prompts and resources:
// completion, which proposes nothing, and subscriptions.
var serverOptions = &mcp.ServerOptions{
	CompletionHandler: func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
		return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}, nil
	},
	SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
	UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
}
