// Package version says which build this is.
package version

import "runtime/debug"

// version is set by the build (-ldflags "-X usher/internal/version.version=1.2.3").
var version = "" //nolint:gochecknoglobals // the linker can set nothing else

// Semver returns the version. NATS micro wants a semantic version, so a build without
// one is 0.0.0-dev.
func Semver() string {
	if version == "" {
		return "0.0.0-dev"
	}
	return version
}

// Revision returns the first 12 digits of the commit; empty: the build does not know it.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return ""
}
