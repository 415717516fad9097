package main

import (
	"slices"
	"testing"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/cmd/usher/cmdutil"
)

// answered runs a command that needs a reply, and repeats it after a timeout.
func answered(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for range apptest.Attempts {
		code, stdout, stderr = usher(t, args...)
		if code == cmdutil.ExitOK || code == cmdutil.ExitDenied || !apptest.Unanswered(stdout+stderr) {
			break
		}
		t.Logf("timed out, trying again: %v: %s%s", args, stdout, stderr)
	}
	return code, stdout, stderr
}

// checkTimedOut reports whether a finding says that a part of the check timed out.
func checkTimedOut(f []finding.Finding, isTimeout func(string) bool) bool {
	return slices.ContainsFunc(f, func(x finding.Finding) bool { return x.Severity == finding.Error && isTimeout(x.Detail) })
}
