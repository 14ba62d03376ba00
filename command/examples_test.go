package command_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples runs each line of each command's examples in a shell.
func TestExamples(t *testing.T) {
	walk(newRoot(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ := strings.Cut(line, " # ")
			line = strings.TrimSpace(line)
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				runExample(t, line)
			})
		}
	})
}

// taskID matches a task's id.
var taskID = regexp.MustCompile(`\b[0-9a-v]{36}\b`)

// TestIDsInHelp checks that the ids in all help have the form of real ones.
func TestIDsInHelp(t *testing.T) {
	d := newDatabase(t)
	for _, id := range []string{d.working, d.parked, d.completed, d.failed, d.cancelled} {
		if taskID.FindString(id) != id {
			t.Fatalf("the id of a task is %q, which %s does not match", id, taskID)
		}
	}
	ids := 0
	walk(newRoot(), func(cmd *cobra.Command) {
		if !strings.Contains(cmd.Use, "ID") {
			return
		}
		for line := range strings.Lines(cmd.Example) {
			words := strings.Fields(line)
			id := words[slices.Index(words, cmd.Name())+1:]
			if len(id) == 0 || strings.HasPrefix(id[0], "--") {
				continue // it names no task
			}
			if ids++; taskID.FindString(id[0]) != id[0] {
				t.Errorf("%q is not the id of a task in %q", id[0], line)
			}
		}
		if uuid := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).FindString(cmd.Long + cmd.Example); uuid != "" {
			t.Errorf("%s has the id %s, a UUID", cmd.CommandPath(), uuid)
		}
	})
	if ids == 0 {
		t.Error("no example names a task")
	}
}

// exitCodes are the exit codes of examples that end with an error.
var exitCodes = map[string]int{"reports migrate down": 2}

func runExample(t *testing.T, line string) {
	d := newDatabase(t)
	dir := t.TempDir()
	p := &process{}
	if strings.Contains(line, " doctor") || strings.Contains(line, " serve") || strings.Contains(line, " work") {
		d.url = "sqlite:tasks.db" // an empty database without faults
		node := open(t, "sqlite:"+filepath.Join(dir, "tasks.db"))
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "answer.json"), []byte(`{"action":"decline"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), filepath.Join(dir, "reports")); err != nil {
		t.Fatal(err)
	}
	id := d.parked
	if regexp.MustCompile(` (retry|delete|watch|show) `).MatchString(line) {
		id = d.completed
	}
	script := taskID.ReplaceAllString(line, id)
	named := script != line
	script = regexp.MustCompile(` :\d+`).ReplaceAllString(script, " 127.0.0.1:0") // other tests run on this machine

	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), envProgram+"=1", "PATH="+dir+":"+os.Getenv("PATH"), "DATABASE_URL="+d.url, "MCPTASKS_ADDR=127.0.0.1:0")
	p.start(t, cmd)
	switch { // commands that end at a signal
	case strings.Contains(line, "--stdio"): // ends with its input
	case strings.Contains(line, " serve"):
		p.says(t, "listening on")
		p.signal(t, syscall.SIGTERM)
	case strings.Contains(line, " work"):
		p.says(t, "mcptasks: working")
		p.signal(t, syscall.SIGTERM)
	case strings.Contains(line, " tasks watch") && !named:
		p.says(t, d.working)
		p.signal(t, os.Interrupt)
	}
	code := 0
	var exit *exec.ExitError
	if err := p.ends(t, patience); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code != exitCodes[line] {
		t.Errorf("exit code %d, want %d", code, exitCodes[line])
	}
}

func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
