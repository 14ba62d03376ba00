package onpostgres

import (
	"strings"
	"testing"
)

// TestMigrate runs migrate up --dry-run, up and down.
func TestMigrate(t *testing.T) {
	database := open(t)
	on := func(args ...string) []string { return append(args, "--schema", "elsewhere", "--database", database) }
	for _, step := range []struct {
		args []string
		code int
		say  string
	}{
		{on("migrate", "status"), 0, "pending"},
		{on("tasks", "list"), 1, ""},
		{on("migrate", "up", "--dry-run"), 0, "CREATE TABLE mcp_task ("},
		{on("migrate", "up", "--dry-run"), 0, `CREATE SCHEMA IF NOT EXISTS "elsewhere"`},
		{on("migrate", "up"), 0, "applied mcptasks tasks (1)"},
		{on("migrate", "up", "--dry-run"), 0, "-- nothing to do"},
		{on("migrate", "up"), 0, "nothing to do"},
		{on("migrate", "status", "-o", "json"), 0, `"current": true`},
		{on("tasks", "list"), 0, "ID  STATUS"},
		{on("migrate", "down"), 2, ""},
		{on("tasks", "list"), 0, ""},
		{on("migrate", "down", "--yes"), 0, "removed"},
		{on("migrate", "status", "-o", "json"), 0, `"current": false`},
	} {
		if out, code := run(t, step.args...); code != step.code || !strings.Contains(out, step.say) {
			t.Fatalf("%v: exit code %d, want %d and %q:\n%s", step.args, code, step.code, step.say, out)
		}
	}
}

// TestTasks runs the commands of an operator with a binary without tools.
func TestTasks(t *testing.T) {
	database := open(t)
	id := newTask(t, database)
	exec(t, database, aNode("living", "report", "reports", alive))
	for _, step := range []struct {
		args string
		code int
		say  string
	}{
		{"nodes", 0, "living  host-1"},
		{"tasks list --owner alice --status working", 0, id},
		{"tasks list --all --tool other", 0, ""},
		{"tasks show " + id, 0, "Tool       report, queue reports"},
		{"tasks delete " + id, 4, ""},
		{"tasks cancel --owner alice --yes", 0, "cancelled 1 tasks"},
		{"tasks watch " + id, 0, "cancelled"},
		{"tasks cancel " + id, 4, ""},
		{"tasks retry " + id, 0, "retried " + id + " as "},
		{"tasks delete --status cancelled --yes", 0, "deleted " + id},
		{"tasks show " + id, 3, ""},
		{"tasks list --status working", 0, "report"},
	} {
		out, code := run(t, append(strings.Fields(step.args), "--database", database)...)
		if code != step.code || !strings.Contains(out, step.say) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", step.args, code, step.code, step.say, out)
		}
	}
}
