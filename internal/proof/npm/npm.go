// Package npm installs programs from npm, and the Node that runs them. It needs npm on
// PATH.
package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nodeVersion is exact, like the packages' versions, so that the result does not change by
// itself. npm itself may run on any Node.
const nodeVersion = "22.23.3"

// An Installation is a directory with node_modules in it.
type Installation struct {
	Dir  string
	Node string // the program
}

// Install returns an installation of the packages, by name and exact version, in the user's
// cache directory. It installs them if the cache has none with this key. An interrupted or
// concurrent install does no harm: it is made in another directory, which is renamed.
func Install(ctx context.Context, key string, packages map[string]string) (*Installation, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(cache, "mcptasks-npm")
	dir := filepath.Join(parent, key+"-node-"+nodeVersion)
	if _, err := os.Stat(dir); err == nil {
		return in(dir), nil
	}

	fmt.Fprintln(os.Stderr, "installing", key, "and node", nodeVersion, "into", dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(parent, "installing-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	if err := install(ctx, temp, packages); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			return nil, err
		}
		// A concurrent install was first.
	}
	return in(dir), nil
}

func in(dir string) *Installation {
	return &Installation{Dir: dir, Node: filepath.Join(dir, "node_modules", "node", "bin", "node")}
}

// install installs the packages into dir and checks that Node runs. The node package
// downloads its binary in an install script, which npm must be told to allow.
func install(ctx context.Context, dir string, packages map[string]string) error {
	dependencies := map[string]string{"node": nodeVersion}
	for name, version := range packages {
		dependencies[name] = version
	}
	manifest, err := json.Marshal(map[string]any{
		"private":      true,
		"dependencies": dependencies,
		"allowScripts": map[string]bool{"node": true},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), manifest, 0o644); err != nil {
		return err
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts=false")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, Tail(out))
	}
	version, err := exec.CommandContext(ctx, in(dir).Node, "--version").Output()
	if err != nil {
		return fmt.Errorf("the installed node does not run: %w", err)
	}
	if got := string(bytes.TrimSpace(version)); got != "v"+nodeVersion {
		return fmt.Errorf("installed node is %s, want v%s", got, nodeVersion)
	}
	return nil
}

// Tail returns the end of a command's output, which usually has the cause.
func Tail(out []byte) []byte {
	const most = 4 << 10
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-most):]
}
