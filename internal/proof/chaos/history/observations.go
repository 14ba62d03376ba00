package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Kinds of observations. A claim and a write are the driver's, the others a handler's.
const (
	Claimed  = "claim"    // the database gave the task to the run
	Wrote    = "write"    // the database answered a write under the run's fence
	Began    = "began"    // the handler was called
	StepRan  = "step"     // a step's function was called
	StepDone = "done"     // it returned Value
	Recorded = "recorded" // Step returned Value
	CtxEnded = "ended"    // the handler's context ended, for the cause in Value
	Returned = "returned" // the handler returned, with the error in Value
)

// Observation is a line of an observation file.
type Observation struct {
	At   int64  `json:"at"`
	Sent int64  `json:"sent,omitempty"` // of a write: when it was begun
	PID  int    `json:"pid"`
	Node string `json:"node"`
	Kind string `json:"kind"`
	Task string `json:"task"`
	Run  string `json:"run"`           // the run's token
	Seq  int    `json:"seq,omitempty"` // of a claim
	Job  int64  `json:"job,omitempty"` // of a claim
	Op   string `json:"op,omitempty"`  // of a write
	Key  string `json:"key,omitempty"`
	// Value is a step's value, a cause or an error.
	Value string `json:"value,omitempty"`
	Held  bool   `json:"held,omitempty"` // of a write: the fence held
	Due   int64  `json:"due,omitempty"`  // of a call: when the handler will be done
}

// Log is a process's observation file. Each line is one write to a file that is opened for
// appending, so that a killed process leaves whole lines.
type Log struct {
	file *os.File
	node string
}

// OpenLog creates this process's log.
func OpenLog(dir, node string) (*Log, error) {
	name := filepath.Join(dir, fmt.Sprintf("observation-%s-%d.jsonl", node, os.Getpid()))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &Log{file: file, node: node}, err
}

// Add writes a line. It fills in the process, the node, and the time unless that is set.
// It panics if the log cannot be written: the run would prove nothing.
func (l *Log) Add(w Observation) {
	if w.At == 0 {
		w.At = time.Now().UnixNano()
	}
	w.PID, w.Node = os.Getpid(), l.node
	line, err := json.Marshal(w)
	if err == nil {
		_, err = l.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// Dump writes the requests, the faults and the tasks' events beside the observations, to
// find the cause of a violation.
func (h *History) Dump(dir string) error {
	for name, rows := range map[string]func(func(any)){
		"requests.jsonl": func(add func(any)) {
			for _, r := range h.Requests {
				add(struct {
					*Request
					Body string
				}{r, string(r.Body)})
			}
		},
		"faults.jsonl": func(add func(any)) {
			for _, f := range h.Faults {
				add(f)
			}
		},
		"events.jsonl": func(add func(any)) {
			for _, e := range h.Tables.Events {
				add(e)
			}
		},
	} {
		var data bytes.Buffer
		rows(func(row any) {
			line, _ := json.Marshal(row) // all of it is text and numbers
			data.Write(append(line, '\n'))
		})
		if err := os.WriteFile(filepath.Join(dir, name), data.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ReadLogs returns all observations in dir in order of time. It omits a last line that is
// not whole.
func ReadLogs(dir string) ([]Observation, error) {
	names, err := filepath.Glob(filepath.Join(dir, "observation-*.jsonl"))
	if err != nil {
		return nil, err
	}
	var all []Observation
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(data) {
			var w Observation
			if !bytes.HasSuffix(line, []byte("\n")) {
				continue
			}
			if err := json.Unmarshal(line, &w); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, w)
		}
	}
	slices.SortStableFunc(all, func(a, b Observation) int { return int(a.At - b.At) })
	return all, nil
}
