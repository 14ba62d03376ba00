package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The versions are exact: the expected checks are counted for this suite, and
// the suite needs Node 22 or newer, whatever Node npm itself runs on.
const (
	suitePackage = "@modelcontextprotocol/conformance"
	suiteVersion = "0.2.0-alpha.12"
	nodeVersion  = "22.23.3"
)

// install returns the suite from the user's cache, filling the cache first when
// these versions are not in it. A directory under its final name is complete: it
// is built beside and renamed, so that a cut-off or concurrent install does no harm.
func install(ctx context.Context) (suite, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return suite{}, err
	}
	parent := filepath.Join(cache, "mcptasks-conformance")
	dir := filepath.Join(parent, suiteVersion+"-node-"+nodeVersion)
	if _, err := os.Stat(dir); err == nil {
		return suiteIn(dir), nil
	}

	fmt.Fprintln(os.Stderr, "installing", suitePackage, suiteVersion, "and node", nodeVersion, "into", dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return suite{}, err
	}
	temp, err := os.MkdirTemp(parent, "installing-")
	if err != nil {
		return suite{}, err
	}
	defer os.RemoveAll(temp)
	if err := npmInstall(ctx, temp); err != nil {
		return suite{}, err
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			return suite{}, err
		}
		// Someone else's install was first.
	}
	return suiteIn(dir), nil
}

// npmInstall puts both packages into dir and checks that they run. The node
// package fetches its binary in an install script, which npm wants allowed.
func npmInstall(ctx context.Context, dir string) error {
	manifest, err := json.Marshal(map[string]any{
		"private":      true,
		"dependencies": map[string]string{suitePackage: suiteVersion, "node": nodeVersion},
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
		return fmt.Errorf("npm install: %w\n%s", err, tail(out))
	}
	s := suiteIn(dir)
	version, err := exec.CommandContext(ctx, s.node, "--version").Output()
	if err != nil {
		return fmt.Errorf("the installed node does not run: %w", err)
	}
	if got := string(bytes.TrimSpace(version)); got != "v"+nodeVersion {
		return fmt.Errorf("installed node is %s, want v%s", got, nodeVersion)
	}
	_, err = os.Stat(s.script)
	return err
}

// tail keeps the end of a command's output, where the reason usually stands.
func tail(out []byte) []byte {
	const most = 4 << 10
	out = bytes.TrimSpace(out)
	return out[max(0, len(out)-most):]
}
