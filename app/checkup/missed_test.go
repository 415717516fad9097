package checkup

import (
	"slices"

	"usher/app/checkup/finding"
)

// missed reports whether a finding says that a part of the check timed out.
func missed(f []finding.Finding, says func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding.Finding) bool { return x.Severity == finding.Error && says(x.Detail) })
}
