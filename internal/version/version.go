// Package version has the version and the commit of this build.
package version

import "runtime/debug"

// version comes from the build (-ldflags "-X usher/internal/version.version=1.2.3").
var version = "" //nolint:gochecknoglobals // the linker sets only package variables

// Semver returns the version. NATS micro requires a semantic version, so a build without one
// is 0.0.0-dev.
func Semver() string {
	if version == "" {
		return "0.0.0-dev"
	}
	return version
}

// Revision returns the first 12 digits of the commit; empty: unknown.
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
