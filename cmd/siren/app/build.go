package app

import (
	"runtime/debug"
)

// version is set by the release build (-ldflags "-X …/cmd/siren/app.version=1.2.3").
var version = ""

// Version returns the release, else the commit that was built.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
