package command_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// opaque are the keys whose values clients and tools wrote.
var opaque = []string{"arguments", "params", "response", "result", "error"}

// shape returns the paths in the value with the types found there.
func shape(value any, path string, into map[string]struct{}) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			if slices.Contains(opaque, key) {
				member = "…"
			}
			shape(member, path+"."+key, into)
		}
	case []any:
		into[path+" array"] = struct{}{}
		for _, element := range value {
			shape(element, path+"[]", into)
		}
	case string:
		kind := "string"
		if _, err := time.Parse(time.RFC3339Nano, value); err == nil {
			kind = "time"
			if !strings.HasSuffix(value, "Z") {
				kind = "time that is not in UTC"
			}
		}
		into[path+" "+kind] = struct{}{}
	default:
		into[fmt.Sprintf("%s %T", path, value)] = struct{}{}
	}
}

// TestJSONIsStable makes a change of any key visible in a review: scripts read them.
func TestJSONIsStable(t *testing.T) {
	d := newDatabase(t)
	node := open(t, d.url)
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, node, d.working, "completed")
	var all strings.Builder
	for _, test := range []struct{ name, args string }{
		{"migrate status", "migrate status"},
		{"doctor", "doctor"},
		{"nodes", "nodes"},
		{"tasks list", "tasks list --limit 4"},
		{"tasks list --all", "tasks list --all"},
		{"tasks show, completed", "tasks show " + d.completed},
		{"tasks show, parked", "tasks show " + d.parked},
		{"tasks show, failed", "tasks show " + d.failed},
		{"tasks watch", "tasks watch " + d.completed},
		{"tasks answer", "tasks answer --decline approve " + d.parked},
		{"tasks retry", "tasks retry " + d.failed},
		{"tasks delete", "tasks delete " + d.failed},
	} {
		paths := make(map[string]struct{})
		shape(decode[any](t, d.url, strings.Fields(test.args)...), "", paths)
		fmt.Fprintf(&all, "-- %s --\n%s\n", test.name, strings.Join(slices.Sorted(maps.Keys(paths)), "\n"))
	}
	golden(t, "json.txt", all.String())
}

func TestShownTimelineInJSON(t *testing.T) {
	d := newDatabase(t)
	var shown struct {
		Timeline []struct {
			At   time.Time
			Kind string
			Run  int
		}
	}
	if err := json.Unmarshal([]byte(ok(t, d.url, "tasks", "show", d.completed, "-o", "json")), &shown); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i, entry := range shown.Timeline {
		kinds = append(kinds, entry.Kind)
		if i > 0 && entry.At.Before(shown.Timeline[i-1].At) {
			t.Errorf("%s is before what came before it", entry.Kind)
		}
	}
	if want := []string{"created", "began", "step", "completed"}; !slices.Equal(kinds, want) {
		t.Errorf("the timeline is %v, want %v", kinds, want)
	}
}
