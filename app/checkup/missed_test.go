package checkup

import (
	"slices"

	"usher/app/checkup/finding"
)

// missed reports whether something could not be looked at, going by what is said of it.
func missed(f []finding.Finding, says func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding.Finding) bool { return x.Severity == finding.Error && says(x.Detail) })
}
