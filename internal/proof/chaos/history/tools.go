package history

import "strconv"

// Names of the run's tools.
const (
	Quick   = "quick"   // returns at once
	Plain   = "plain"   // works for a while, without steps
	Steps   = "steps"   // works in steps
	Report  = "report"  // works in steps and reports progress
	Ask     = "ask"     // asks one question, then two at once
	Flaky   = "flaky"   // fails a few times, and is retried
	Snoozer = "snoozer" // snoozes and runs again
	Refuse  = "refuse"  // ends with an error of its own: completed, isError
	Doomed  = "doomed"  // ends with a JSON-RPC error: failed
)

// Tools are the run's tools and how their tasks end.
var Tools = map[string]Expect{
	Quick:   {Status: "completed"},
	Plain:   {Status: "completed"},
	Steps:   {Status: "completed", Steps: numbered},
	Report:  {Status: "completed", Steps: numbered},
	Ask:     {Status: "completed", Steps: fixed("before", "between", "after"), Answers: []string{"confirm", "left", "right"}},
	Flaky:   {Status: "completed", Steps: numbered},
	Snoozer: {Status: "completed", Steps: fixed("before", "after")},
	Refuse:  {Status: "completed", IsError: true},
	Doomed:  {Status: "failed"},
}

// StepKey is the key of a numbered step.
func StepKey(i int) string { return "step " + strconv.Itoa(i) }

func numbered(call Call) []string {
	var keys []string
	for i := range call.Steps {
		keys = append(keys, StepKey(i))
	}
	return keys
}

func fixed(keys ...string) func(Call) []string { return func(Call) []string { return keys } }
