package cmdutil

import (
	"usher/app/explanation"
	"usher/callout"
	"usher/internal/fault"
)

// OutcomeError gives an explanation that is no clear yes its exit code.
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
