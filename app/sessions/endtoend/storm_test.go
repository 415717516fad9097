package endtoend

import (
	"testing"
	"time"

	"usher/api/wire"
	"usher/callout/callouttest"
)

// kick closes half of all clients at a rate. All of them come back, and nobody is denied.
func (p *population) kick(t *testing.T) {
	t.Helper()
	p.fleet.reset()
	c := p.site.client(t, 1)
	closed, begin := 0, time.Now()
	for _, project := range p.projects[:len(p.projects)/2] {
		result, err := c.Kick(t.Context(), project, &wire.SessionKick{All: true, Reason: "a test", Rate: 1000}, func(*wire.KickLine) {})
		callouttest.Must(t, err)
		if result.Closed != result.Sessions || len(result.NotClosed) > 0 {
			t.Errorf("project %s: closed %d of %d sessions, %d could not be closed", project, result.Closed, result.Sessions, len(result.NotClosed))
		}
		closed += result.Closed
	}
	took := time.Since(begin)
	p.fleet.waitUp(t)
	again, denials, failures := 0, 0, 0
	p.fleet.count(func(s *state) bool {
		again += s.reconnects
		denials += s.denials
		failures += s.failures
		return false
	})
	t.Logf("figures: kicked %d sessions in %s; %d came back, %d were denied, %d attempts were not answered", closed, took.Round(time.Millisecond), again, denials, failures)
	if again != closed || denials > 0 || closed != (len(p.fleet.states)-guests)/2 {
		t.Errorf("kicked %d of %d, came back %d, denied %d", closed, len(p.fleet.states), again, denials)
	}
}
