package command

import (
	"cmp"
	"runtime/debug"
	"strings"
)

const (
	ourModule   = "github.com/mcptasks/mcptasks"
	riverModule = "github.com/riverqueue/river"
)

// version returns the text of --version: what a bug report needs.
func version(name, version string, info *debug.BuildInfo) string {
	var text strings.Builder
	t := newTable(&text)
	t.row(name, version)
	t.row("commit", commit(info))
	if info.Main.Path != ourModule {
		t.row("mcptasks", moduleVersion(info, ourModule))
	}
	t.row("river", moduleVersion(info, riverModule))
	t.row("go", cmp.Or(info.GoVersion, "unknown"))
	_ = t.end() // a strings.Builder returns no error
	return text.String()
}

// buildInfo returns what the Go tool recorded in the binary, or an empty record.
func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
}

// commit returns the commit that the binary was built from, with its time, and whether
// files differed from it.
func commit(info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	if settings["vcs.revision"] == "" {
		return "unknown"
	}
	text := settings["vcs.revision"]
	if at := settings["vcs.time"]; at != "" {
		text += " of " + at
	}
	if settings["vcs.modified"] == "true" {
		text += ", modified"
	}
	return text
}

// moduleVersion returns the version of a module in the binary.
func moduleVersion(info *debug.BuildInfo, path string) string {
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path != path {
			continue
		}
		text := cmp.Or(module.Version, "unknown")
		if module.Replace != nil {
			text += " => " + strings.TrimSpace(module.Replace.Path+" "+module.Replace.Version)
		}
		return text
	}
	return "unknown"
}
