package habitattest

import (
	"strings"
	"testing"
)

// CheckIngest checks what an older supervisor may do through NATS Streaming: publish to
// channel habitat, with an acknowledgement, and nothing else. args say how it connects.
// It starts parallel subtests.
func (s Streaming) CheckIngest(t *testing.T, args ...string) {
	t.Helper()
	for name, c := range map[string]struct {
		op, channel string
		hold        string
		refused     string // part of the subject of every permission error; empty: no error
	}{
		"publish, and stay connected":                {op: "publish", channel: "habitat", hold: "4s"},
		"publish without waiting":                    {op: "publish-async", channel: "habitat"},
		"publish to another channel":                 {op: "publish", channel: "other", refused: `.other"`},
		"publish to another channel without waiting": {op: "publish-async", channel: "other", refused: `.other"`},
		"subscribe":                    {op: "subscribe", channel: "habitat", refused: `"_STAN.sub`},
		"subscribe to another channel": {op: "subscribe", channel: "other", refused: `"_STAN.sub`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hold := c.hold
			if hold == "" {
				hold = "0s"
			}
			id := strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r
				}
				return -1
			}, name)
			r := s.Client(t, append([]string{"--client-id", id, "--op", c.op, "--channel", c.channel, "--hold", hold, "--timeout", "6s"}, args...)...)
			if c.refused == "" {
				if !r.OK || len(r.PermissionErrors) > 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.OK || len(r.PermissionErrors) == 0 {
				t.Errorf("not refused: %+v", r)
			}
			for _, e := range r.PermissionErrors {
				if !strings.Contains(e, c.refused) {
					t.Errorf("permission error %s, want %s", e, c.refused)
				}
			}
		})
	}
}
