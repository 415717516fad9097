package endpoint

import (
	"slices"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/internal/fault"
)

// holds checks that the findings contain one, and that each error and warning has a hint.
func holds(t *testing.T, f finding.List, kind fault.Kind, check string, severity finding.Severity, detail string) {
	t.Helper()
	if !slices.ContainsFunc(f, func(x finding.Finding) bool {
		return x.Check == check && x.Severity == severity && strings.Contains(x.Detail, detail) && x.Kind == kind
	}) {
		t.Errorf("no %s of %s with %q (kind %d):\n%+v", severity, check, detail, kind, f)
	}
	for _, x := range f {
		if x.Severity != finding.OK && x.Hint == "" {
			t.Errorf("no hint for %+v", x)
		}
	}
}
