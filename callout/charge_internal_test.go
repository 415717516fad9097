package callout

import "testing"

// Every code is looked at: what a client can repeat at somebody's cost is charged,
// and what is not its fault is not.
func TestCharged(t *testing.T) {
	free := map[string]bool{ // of those that are not answered
		CodeUnavailable: true, CodeNoDirectory: true, CodeMisplaced: true, CodeIssuerUnknown: true,
		CodeXKeyUnknown: true, CodeSign: true, CodeReply: true,
	}
	for _, c := range Codes() {
		want := c.Outcome == Denied || c.Outcome == Unavailable && !free[c.Code]
		if got := charged(&Decision{Outcome: c.Outcome, Code: c.Code}); got != want {
			t.Errorf("%s %s is charged: %v, want %v", c.Outcome, c.Code, got, want)
		}
	}
}
