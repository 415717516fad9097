// Package findingtest checks findings in tests.
package findingtest

import (
	"slices"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/internal/fault"
)

// Holds fails the test if a finding is missing, or if any problem has no hint.
func Holds(tb testing.TB, f finding.List, kind fault.Kind, check string, severity finding.Severity, detail string) {
	tb.Helper()
	if !slices.ContainsFunc(f, func(x finding.Finding) bool {
		return x.Check == check && x.Severity == severity && strings.Contains(x.Detail, detail) && x.Kind == kind
	}) {
		tb.Errorf("no %s of %s with %q (kind %d):\n%+v", severity, check, detail, kind, f)
	}
	for _, x := range f {
		if x.Severity != finding.OK && x.Hint == "" {
			tb.Errorf("no hint for %+v", x)
		}
	}
}
