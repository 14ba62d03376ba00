package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	module  = "github.com/mcptasks/mcptasks"
	apidiff = "golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4"
)

// api compares the module's API with that of the last tag.
func api(ctx context.Context) (_ string, err error) {
	tags, err := output(ctx, ".", "git", "tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD")
	if err != nil {
		return "", err
	}
	tag, _, _ := strings.Cut(tags, "\n")
	if tag == "" {
		return "not compared: no release is tagged yet", nil
	}
	dir, err := os.MkdirTemp("", "mcptasks-release-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	before := filepath.Join(dir, "before")
	if _, err := output(ctx, ".", "git", "worktree", "add", "--detach", before, tag); err != nil {
		return "", err
	}
	defer func() { // after an interrupt, too
		_, removed := output(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", before)
		err = errors.Join(err, removed)
	}()
	old, current := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for file, checkout := range map[string]string{old: before, current: "."} {
		if _, err := output(ctx, checkout, "go", "run", apidiff, "-m", "-w", file, module); err != nil {
			return "", err
		}
	}
	diff, err := output(ctx, ".", "go", "run", apidiff, "-m", old, current)
	if err != nil {
		return "", err
	}
	if lost := strings.Contains(diff, "Incompatible changes:"); lost && !strings.HasPrefix(tag, "v0.") {
		return "", fmt.Errorf("the API of %s has lost something:\n%s", tag, diff)
	}
	return fmt.Sprintf("compared with %s:\n%s", tag, diff), nil
}
