package command_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples runs each line of each command's examples in a shell, as whoever
// reads it would.
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

// refused are the examples that say no.
var refused = map[string]int{"reports migrate down": 2}

func runExample(t *testing.T, line string) {
	d := newDatabase(t)
	dir := t.TempDir()
	p := &process{}
	if strings.Contains(line, " doctor") || strings.Contains(line, " serve") || strings.Contains(line, " work") {
		d.url = "sqlite:tasks.db" // nothing is there yet, nor wrong
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
	script := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(line, id)
	named := script != line
	script = regexp.MustCompile(` :\d+`).ReplaceAllString(script, " 127.0.0.1:0") // others' tests run here too

	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), envProgram+"=1", "PATH="+dir+":"+os.Getenv("PATH"), "DATABASE_URL="+d.url, "MCPTASKS_ADDR=127.0.0.1:0")
	p.start(t, cmd)
	switch { // those that end when they are told to
	case strings.Contains(line, "--stdio"): // or when their input does
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
	if code != refused[line] {
		t.Errorf("exit code %d, want %d", code, refused[line])
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
