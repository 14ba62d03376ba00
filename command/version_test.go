package command

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "4f1c2d"}, {Key: "vcs.time", Value: "2026-12-01T10:00:00Z"}}
	river := &debug.Module{Path: "github.com/riverqueue/river", Version: "v0.51.2"}
	driver := &debug.Module{Path: "github.com/riverqueue/river/riverdriver", Version: "v0.9.9"}
	ours := &debug.Module{Path: "github.com/mcptasks/mcptasks", Version: "v0.2.0"}
	for name, test := range map[string]struct {
		info debug.BuildInfo
		want []string
	}{
		"a user's program": {
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "example.com/reports"}, Deps: []*debug.Module{ours, driver, river}, Settings: settings},
			[]string{"reports   v1.2.3", "commit    4f1c2d of 2026-12-01T10:00:00Z", "mcptasks  v0.2.0", "river     v0.51.2", "go        go1.26.8"},
		},
		"ours, with changed files": {
			debug.BuildInfo{GoVersion: "go1.26.8", Main: *ours, Deps: []*debug.Module{river}, Settings: append(settings, debug.BuildSetting{Key: "vcs.modified", Value: "true"})},
			[]string{"reports  v1.2.3", "commit   4f1c2d of 2026-12-01T10:00:00Z, modified", "river    v0.51.2", "go       go1.26.8"},
		},
		"a replaced module": {
			debug.BuildInfo{GoVersion: "go1.26.8", Main: *ours, Deps: []*debug.Module{{Path: river.Path, Version: "v0.51.2", Replace: &debug.Module{Path: "../river"}}}},
			[]string{"reports  v1.2.3", "commit   unknown", "river    v0.51.2 => ../river", "go       go1.26.8"},
		},
		"no record": {
			debug.BuildInfo{},
			[]string{"reports   v1.2.3", "commit    unknown", "mcptasks  unknown", "river     unknown", "go        unknown"},
		},
	} {
		if got, want := version("reports", "v1.2.3", &test.info), strings.Join(test.want, "\n")+"\n"; got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}
