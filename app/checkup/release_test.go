package checkup

import (
	"os"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/callout/callouttest"
)

// Attack: a member uses a fault of an old nats-server to exceed the grant
// Held by: usher check names each server whose release has the fault, and a release without it
func TestCheckRelease(t *testing.T) {
	t.Parallel()
	const second, trace = "second CONNECT", "Nats-Trace-Dest"
	for version, want := range map[string][]string{
		"2.9.25": {second, trace}, "2.10.0": {second}, "2.10.29": {second},
		"2.11.2": {second, trace}, "2.11.14": {second, trace}, "2.11.15": {second}, "2.11.16": {second}, "2.11.17": nil, "2.11.30": nil,
		"2.12.0": {second, trace}, "2.12.5": {second, trace}, "2.12.6": {second}, "2.12.7": {second}, "v2.12.7": {second}, "2.12.7-RC.1": {second}, "2.12.8": nil, "2.12.15": nil,
		"2.13.0": nil, "2.14.10": nil, "2.15.3": nil, "3.0.0": nil,
		"": nil, "own": nil, "2.10": nil,
	} {
		var f finding.List
		checkRelease(&f, "nats://test", version)
		if len(want) == 0 {
			if len(f) != 0 {
				t.Errorf("%s: %+v", version, f)
			}
			continue
		}
		if len(f) != 1 || f[0].Severity != finding.Warning || !strings.Contains(f[0].Hint, fixedReleases) {
			t.Errorf("%s: %+v", version, f)
			continue
		}
		for _, fault := range []string{second, trace} {
			has := strings.Contains(strings.Join(want, ","), fault)
			if strings.Contains(f[0].Detail, fault) != has {
				t.Errorf("%s: of %s: %+v", version, fault, f)
			}
		}
	}
}

// TestEnforcementGapsAreTested: callout/features_test.go tests each gap that check warns of
// against real servers, and writes its row.
func TestEnforcementGapsAreTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/reference/compatibility.md")
	callouttest.Must(t, err)
	for _, gap := range enforcementGaps() {
		from := make([]string, len(gap.fixedIn))
		for i, s := range gap.fixedIn {
			from[i] = strings.TrimSuffix(s.String(), ".0")
		}
		if row := "\n| " + gap.row + " | " + strings.Join(from, ", ") + " |"; !strings.Contains(string(text), row) {
			t.Errorf("docs/reference/compatibility.md has no row%s", row)
		}
	}
	if n := strings.Count(string(text), "\n| isolation: "); n != len(enforcementGaps()) {
		t.Errorf("docs/reference/compatibility.md has %d enforcementGaps", n)
	}
}
