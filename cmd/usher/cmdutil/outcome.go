package cmdutil

import (
	"usher/app/explanation"
	"usher/callout"
	"usher/internal/fault"
)

// OutcomeError returns the error, and so the exit code, of an explanation: denied,
// undecided (a runtime error), or nil if everything asked about is granted.
func OutcomeError(x *explanation.Explanation) error {
	switch {
	case x.Outcome == callout.Denied || x.Denies():
		return &fault.Error{Kind: fault.Denied}
	case x.Outcome != callout.Granted || x.Unknown():
		return &fault.Error{Kind: fault.Runtime}
	default:
		return nil
	}
}
