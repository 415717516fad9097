package exchange_test

import (
	"testing"

	"usher/callout/callouttest"
	"usher/callout/session"
)

// again is a connection that its server has asked about again: it was granted when it was.
func (r *replica) again(n int) *session.Session {
	old, _ := r.registry.Find(id(n))
	s := *old
	s.RequestID, s.Decided, s.Grant.Account = "again", s.Decided.Add(1), "OTHER"
	return &s
}

// A replica that has missed that a connection was decided again gets the new grant with the
// sessions of the others.
func TestMissedDecision(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	all := startAll(t, server.URL(), 2)
	all[0].grant(0, 10)
	all[1].waitSessions(t, numbers(0, 10))
	release, err := all[1].Full()
	callouttest.Must(t, err)
	s := all[0].again(7)
	all[0].registry.Add(s)
	all[0].Granted(s)
	all[0].Flush()
	all[0].grant(10, 6000)
	callouttest.Eventually(t, "messages are dropped", func() bool { return all[1].Status().Dropped > 0 })
	all[0].Forget()
	release()
	callouttest.Eventually(t, "the later decision is known", func() bool {
		s, _ := all[1].registry.Find(id(7))
		return s.RequestID == "again" && s.Grant.Account == "OTHER"
	})
	callouttest.Eventually(t, "all sessions are known", func() bool { return all[1].registry.Len() == 6000 })
	if s, _ := all[1].registry.Find(id(7)); !s.Decided.After(s.Started) {
		t.Errorf("decided %s, granted %s", s.Decided, s.Started)
	}
}
