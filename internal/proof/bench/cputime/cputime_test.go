package cputime

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

const burnVariable = "MCPTASKS_TEST_BURN"

// TestMain is also the main of a child, which uses CPU time, says so, and lives until
// its standard input ends.
func TestMain(m *testing.M) {
	if os.Getenv(burnVariable) == "" {
		os.Exit(m.Run())
	}
	if err := burn(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(".")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const burnt = 200 * time.Millisecond

// burn uses CPU time until this process has used enough of it.
func burn() error {
	for {
		s, err := read(os.Getpid())
		if err != nil || s.own >= burnt {
			return err
		}
		for i := range 1_000_000 {
			_ = i * i
		}
	}
}

func TestTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux' /proc")
	}
	tree := func() time.Duration {
		t.Helper()
		got, err := Tree(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := tree()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), burnVariable+"=1")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// This process uses little itself; the bound is for a busy machine.
	const slack = 100 * time.Millisecond
	living := tree() - before
	if living < burnt || living > burnt+slack {
		t.Errorf("while the child lives, it is %s more, want %s", living, burnt)
	}
	_ = stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if ended := tree() - before; ended < living || ended > living+slack {
		t.Errorf("once the child has ended, it is %s more, want %s as before", ended, living)
	}
}

func TestParse(t *testing.T) {
	const line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 11\n"
	got, err := parse(line)
	want := stat{parent: 7, own: 1200 * time.Millisecond, reaped: 34 * time.Second}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42", "42 (a) S 7", "42 (a) S seven 42 42 0 -1 0 1 2 3 4 1 2 3 4"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was parsed", bad)
		}
	}
}

func TestNoSuchProcess(t *testing.T) {
	if _, err := Tree(1 << 30); err == nil {
		t.Error("a process that does not exist has no CPU time")
	}
}
