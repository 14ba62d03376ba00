// Package cputime reads how much CPU time processes have used. It reads Linux' /proc
// and returns an error on other systems.
package cputime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc: USER_HZ is 100 wherever Go runs on Linux.
const tick = 10 * time.Millisecond

// Tree returns the CPU time, in user and kernel mode, that a process has used since it
// started, with that of its children: those that live, and those that have ended and
// that it has waited for. A Postgres' postmaster is the parent of all its processes.
// Each living process' share is rounded down to 10 ms.
func Tree(pid int) (time.Duration, error) {
	// A child that ends in between would be counted twice or not at all.
	const attempts = 10
	for range attempts {
		before, err := read(pid)
		if err != nil {
			return 0, err
		}
		living, err := children(pid)
		if err != nil {
			return 0, err
		}
		after, err := read(pid)
		if err != nil {
			return 0, err
		}
		if before.reaped == after.reaped {
			return after.own + after.reaped + living, nil
		}
	}
	return 0, fmt.Errorf("children of the process %d ended during each of %d attempts to read its CPU time", pid, attempts)
}

// Postmaster returns the process ID of the Postgres that runs on a data directory of this
// machine.
func Postmaster(dataDirectory string) (int, error) {
	pidFile, err := os.ReadFile(filepath.Join(dataDirectory, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(pidFile), "\n")
	return strconv.Atoi(strings.TrimSpace(first))
}

// children returns the CPU time of a process' living children.
func children(pid int) (time.Duration, error) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, path := range paths {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		s, err := read(child)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended
		}
		if err != nil {
			return 0, err
		}
		if s.parent == pid {
			sum += s.own + s.reaped
		}
	}
	return sum, nil
}

// stat is what /proc has of a process.
type stat struct {
	parent int
	own    time.Duration
	reaped time.Duration // of its children that it has waited for
}

func read(pid int) (stat, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return stat{}, err
	}
	s, err := parse(string(data))
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return s, err
}

// parse reads the line of a stat file; proc(5) numbers its fields.
func parse(line string) (stat, error) {
	// The second field is the program's name in parentheses, and may itself hold any
	// character. The rest begins with the third.
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	const first, parent, user, last = 3, 4, 14, 17
	if end < 0 || len(fields) <= last-first {
		return stat{}, fmt.Errorf("not the status of a process: %q", line)
	}
	var numbers [5]int64
	for i, field := range []int{parent, user, user + 1, user + 2, last} {
		n, err := strconv.ParseInt(fields[field-first], 10, 64)
		if err != nil {
			return stat{}, err
		}
		numbers[i] = n
	}
	return stat{
		parent: int(numbers[0]),
		own:    time.Duration(numbers[1]+numbers[2]) * tick,
		reaped: time.Duration(numbers[3]+numbers[4]) * tick,
	}, nil
}
