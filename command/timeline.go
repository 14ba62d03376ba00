package command

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mcptasks/mcptasks/store"
)

// entry is one event in a task's timeline.
type entry struct {
	at     time.Time
	kind   string
	run    int // 0 if it belongs to no run
	node   string
	took   time.Duration
	detail string
}

// entryJSON is an entry in the output of tasks show -o json.
type entryJSON struct {
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Run        int       `json:"run,omitempty"`
	Node       string    `json:"node,omitempty"`
	DurationMs *int64    `json:"durationMs,omitempty"`
	Detail     string    `json:"detail,omitempty"`
}

func newEntryJSON(e entry) entryJSON {
	out := entryJSON{At: e.at.UTC(), Kind: e.kind, Run: e.run, Node: e.node, Detail: e.detail}
	if e.took > 0 {
		ms := e.took.Milliseconds()
		out.DurationMs = &ms
	}
	return out
}

// String returns the entry on one line, or more if its detail has more.
func (e entry) String() string {
	text := e.kind
	if e.run > 0 {
		text = fmt.Sprintf("%s, run %d", text, e.run)
	}
	if e.node != "" {
		text += " on " + e.node
	}
	if e.took > 0 {
		text += " in " + short(e.took)
	}
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// timeline merges the task, its questions, its steps and its events, in order of time.
func timeline(shown *store.Shown) []entry {
	entries := []entry{{at: shown.CreatedAt, kind: "created"}}
	if shown.RetryOf != "" {
		entries[0].detail = "as a retry of " + shown.RetryOf
	}
	if !shown.RunAt.IsZero() { // the ends of earlier runs are among the events
		entries = append(entries, entry{at: shown.RunAt, kind: "began", run: shown.RunSeq, node: shown.RunNode})
	}
	for _, s := range shown.Steps {
		entries = append(entries, entry{at: s.EndedAt, kind: "step", run: s.RunSeq, node: s.Node, took: s.EndedAt.Sub(s.BeganAt), detail: s.Key})
	}
	for _, q := range shown.Questions {
		entries = append(entries, questionEntries(&q)...)
	}
	for _, e := range shown.Timeline {
		entries = append(entries, entry{at: e.At, kind: e.Kind, run: e.RunSeq, node: e.Node, detail: e.Detail})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.at.Compare(b.at) })
	if !shown.FinishedAt.IsZero() { // last, even if the nodes' clocks differ
		entries = append(entries, entry{at: shown.FinishedAt, kind: statusText(shown.Task), took: shown.FinishedAt.Sub(shown.CreatedAt), detail: shown.StatusMessage})
	}
	return entries
}

func questionEntries(q *store.ShownQuestion) []entry {
	if q.Method == "" {
		return []entry{{at: q.AskedAt, kind: "answered before it was asked", detail: answer(q)}}
	}
	entries := []entry{{at: q.AskedAt, kind: "asked", detail: fmt.Sprintf("%s (%s)", q.Key, q.Method)}}
	switch {
	case expired(q):
		entries = append(entries, entry{at: q.AnsweredAt, kind: "unanswered", took: q.AnsweredAt.Sub(q.AskedAt), detail: q.Key})
	case !q.AnsweredAt.IsZero():
		entries = append(entries, entry{at: q.AnsweredAt, kind: "answered", took: q.AnsweredAt.Sub(q.AskedAt), detail: answer(q)})
	}
	return entries
}

// expired reports whether the question's deadline passed without an answer.
func expired(q *store.ShownQuestion) bool { return q.Response == nil && !q.AnsweredAt.IsZero() }

func answer(q *store.ShownQuestion) string {
	return q.Key + " " + cmp.Or(string(q.Response), "nothing")
}
