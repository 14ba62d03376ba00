// Package toolcall runs a tool's handler once for a task, and says what its return
// means for the task. The answer is the JSON that go-sdk's own tools/call gives for the
// same tool without a task: argument defaults, schema checks, structured output and its
// text are the SDK's.
//
//   - [Add] registers a tool with its handler in a [Set].
//   - [Caller.Call] runs it with a [Run], and returns a [Verdict].
//   - [Run] is the state behind mcptasks.Run: what earlier runs recorded, and the
//     [Journal] to which this one records.
//
// The package knows go-sdk. It knows no database and no stored task: a Journal hides
// them. It does not import the root, which imports it and gives authors the typed API.
package toolcall
