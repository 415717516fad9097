package checkup

import (
	"slices"

	"usher/app/checkup/finding"
)

// checkTimedOut reports whether a finding says that a part of the check timed out.
func checkTimedOut(f []finding.Finding, isTimeout func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding.Finding) bool { return x.Severity == finding.Error && isTimeout(x.Detail) })
}
