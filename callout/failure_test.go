package callout_test

import (
	"testing"

	"usher/callout"
	"usher/callout/codes"
	"usher/tokens/automate"
)

// Every code is listed: a request that a client can repeat, and that costs work,
// counts as a failure. One that fails through no fault of the client does not.
func TestCountsAsFailure(t *testing.T) {
	notClient := map[string]bool{ // codes of Unavailable
		callout.CodeUnavailable: true, callout.CodeNoDirectory: true, callout.CodeMisplaced: true, callout.CodeIssuerUnknown: true,
		callout.CodeXKeyUnknown: true, callout.CodeSign: true, callout.CodeReply: true, callout.CodeAdopted: true, callout.CodeCountUncertain: true,
		automate.CodeUnreachable: true, automate.CodeSlow: true, automate.CodeNotReady: true, automate.CodeFailed: true, automate.CodeUnusable: true,
	}
	for _, c := range codes.All() {
		want := c.Outcome == callout.Denied || c.Outcome == callout.Unavailable && !notClient[c.Code]
		if got := callout.CountsAsFailure(&callout.Decision{Outcome: c.Outcome, Code: c.Code}); got != want {
			t.Errorf("%s %s counts as a failure: %v, want %v", c.Outcome, c.Code, got, want)
		}
	}
}
