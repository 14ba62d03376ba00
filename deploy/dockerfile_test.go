// Package deploy_test checks the files of the deployment against the programs, without a
// Docker engine: their flags, hosts and ports.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".."

// instructions returns the Dockerfile's instructions, each in one line.
func instructions(t *testing.T) []string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "deploy/Dockerfile"), "\\\n", " ")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var mounts = regexp.MustCompile(`--mount=\S+\s+`)

// build runs the Dockerfile's build command on this machine and returns the program.
func build(t *testing.T, program string) string {
	t.Helper()
	for _, line := range instructions(t) {
		command, isRun := strings.CutPrefix(mounts.ReplaceAllString(line, ""), "RUN ")
		if !isRun || !strings.Contains(command, "go build") {
			continue
		}
		binary := filepath.Join(t.TempDir(), "program")
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.Replace(command, "-o /program", `-o "$BINARY"`, 1))
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "PROGRAM="+program, "BINARY="+binary)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return binary
	}
	t.Fatal("the Dockerfile builds nothing")
	return ""
}

// TestDockerfile checks that the image's user is not root, and that its Go is the module's.
func TestDockerfile(t *testing.T) {
	lines := strings.Join(instructions(t), "\n")
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	for what, pattern := range map[string]string{
		"a build with the module's Go":            `(?m)^FROM golang:` + regexp.QuoteMeta(goVersion) + ` AS build$`,
		"a last stage with no shell and no root":  `FROM gcr\.io/distroless/static-debian\d+:nonroot\nCOPY [^\n]*\nUSER nonroot:nonroot\nENTRYPOINT \["/program"\]$`,
		"an entry point that the build has made":  `COPY --from=build /program /program`,
		"a program that needs nothing but itself": `CGO_ENABLED=0 go build`,
	} {
		if !regexp.MustCompile(pattern).MatchString(lines) {
			t.Errorf("the Dockerfile has not %s: %s in\n%s", what, pattern, lines)
		}
	}
}
