//go:build unix

package main

import (
	"encoding/json"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
)

// readTables reads the tables with query, which calls each for every row. micros is the
// SQL expression of an event's time in microseconds.
func readTables(micros string, query func(query string, dest []any, each func()) error) (history.Tables, error) {
	t := history.Tables{
		Tasks: make(map[string]history.TaskRow), Steps: make(map[string]map[string]string), Inputs: make(map[string]map[string]string),
	}
	var id, key, value string
	var row history.TaskRow
	var outcome string
	err := query(`SELECT id, owner, tool, status, status_message, coalesce(outcome, '') FROM mcp_task`,
		[]any{&id, &row.Owner, &row.Tool, &row.Status, &row.Message, &outcome}, func() {
			row.Outcome = json.RawMessage(outcome)
			t.Tasks[id] = row
		})
	if err != nil {
		return t, err
	}
	put := func(in map[string]map[string]string, value string) {
		if in[id] == nil {
			in[id] = make(map[string]string)
		}
		in[id][key] = value
	}
	err = query(`SELECT task_id, key, result FROM mcp_task_step`, []any{&id, &key, &value}, func() {
		var step string
		_ = json.Unmarshal([]byte(value), &step) // a run records a string; anything else becomes the empty string
		put(t.Steps, step)
	})
	if err != nil {
		return t, err
	}
	err = query(`SELECT task_id, key, coalesce(response, '') FROM mcp_task_input`, []any{&id, &key, &value}, func() {
		var answer struct {
			Content struct {
				Word string `json:"word"`
			} `json:"content"`
		}
		_ = json.Unmarshal([]byte(value), &answer) // "" while there is none
		put(t.Inputs, answer.Content.Word)
	})
	if err != nil {
		return t, err
	}
	var event history.EventRow
	err = query(`SELECT task_id, kind, detail, `+micros+` FROM mcp_task_event`, []any{&event.Task, &event.Kind, &event.Detail, &event.At}, func() {
		event.At *= 1000
		t.Events = append(t.Events, event)
	})
	if err != nil {
		return t, err
	}
	err = query(runningJobs, []any{&t.Running}, func() {})
	return t, err
}

const runningJobs = `SELECT count(*) FROM river_job WHERE state = 'running'`
