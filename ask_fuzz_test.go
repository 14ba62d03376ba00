package mcptasks_test

import (
	"encoding/json"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A handler can read whatever Check accepts. What it reads has one of the actions, and
// matches the schema.
func FuzzCheck(f *testing.F) {
	schemas := []string{`null`, sizeSchema, `{"type":"object","properties":{"a":{"enum":["x",null,1.5]},"b":{"type":"array","items":{"pattern":"^.$"},"uniqueItems":true}},"additionalProperties":false}`}
	for i := range schemas {
		f.Add(byte(i), []byte(sizeOfFour))
		f.Add(byte(i), []byte(`{"action":"accept","content":{"a":null,"b":["é","b"],"c":{"d":[1e300]}}}`))
		f.Add(byte(i), []byte(`{"action":"accept","roots":[],"role":"user","Content":{"size":1},"content":null}`))
		f.Add(byte(i), []byte(`{"action":"decline"}`))
		f.Add(byte(i), []byte(verse))
		f.Add(byte(i), []byte(`[null,{"action":"\ud800"}]`))
	}
	f.Fuzz(func(t *testing.T, which byte, response []byte) {
		asked := mcp.InputRequestMap{"sample": sample("?")}
		for i, schema := range schemas {
			if int(which)%len(schemas) == i {
				asked["elicit"] = elicit("?", schema)
			}
		}
		for key, request := range asked {
			journal := &memory{}
			one := mcp.InputRequestMap{key: request}
			_, _ = runAfter(journal).Ask(t.Context(), one)
			q := journal.questions[key]
			if err := q.Check(response); err != nil {
				if err.Error() == "" || len(err.Error()) > 3000 {
					t.Errorf("rejected with %q", err)
				}
				continue
			}
			q.Response = response
			journal.questions[key] = q
			answers, err := runAfter(journal).Ask(t.Context(), one)
			if err != nil {
				t.Fatalf("%s was accepted and cannot be read: %v", response, err)
			}
			if key == "sample" {
				if _, err := runAfter(journal).Sample(t.Context(), key, sample("?")); err != nil {
					t.Fatalf("%s was accepted and cannot be read: %v", response, err)
				}
				continue
			}
			// What the handler read is an answer, too.
			again, err := json.Marshal(answers[key])
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Check(again); err != nil {
				t.Errorf("%s was accepted; what was read of it, %s, is rejected: %v", response, again, err)
			}
		}
	})
}
