package callout

import (
	"testing"

	"usher/tokens/automate"
)

// Every code is listed: a request that a client can repeat, and that costs work,
// counts as a failure. One that fails through no fault of the client does not.
func TestCountsAsFailure(t *testing.T) {
	notClient := map[string]bool{ // codes of Unavailable
		CodeUnavailable: true, CodeNoDirectory: true, CodeMisplaced: true, CodeIssuerUnknown: true,
		CodeXKeyUnknown: true, CodeSign: true, CodeReply: true,
		automate.CodeUnreachable: true, automate.CodeSlow: true, automate.CodeNotReady: true, automate.CodeFailed: true, automate.CodeUnusable: true,
	}
	for _, c := range Codes() {
		want := c.Outcome == Denied || c.Outcome == Unavailable && !notClient[c.Code]
		if got := countsAsFailure(&Decision{Outcome: c.Outcome, Code: c.Code}); got != want {
			t.Errorf("%s %s counts as a failure: %v, want %v", c.Outcome, c.Code, got, want)
		}
	}
}
