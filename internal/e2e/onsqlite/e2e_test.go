// Package onsqlite runs the end-to-end suite on SQLite.
package onsqlite

import (
	"path/filepath"
	"testing"

	"github.com/mcptasks/mcptasks/internal/e2e"
	_ "github.com/mcptasks/mcptasks/store/sqlite"
)

func TestProgram(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { e2e.Run(t, func(t *testing.T) e2e.Database { return e2e.Database{URL: open(t)} }) })
}

func open(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "tasks.db") }
