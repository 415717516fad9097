package callouttest

import (
	"encoding/json"
	"testing"
	"time"

	"usher/callout"
)

// WaitCluster waits until every server has a route to every other and counts it: until
// then what is asked of all of them may be answered by some.
func (o *Operator) WaitCluster(tb testing.TB) {
	tb.Helper()
	if len(o.Servers) < 2 {
		return
	}
	Eventually(tb, "every server has a route to every other", func() bool {
		for _, s := range o.Servers {
			if s.srv.NumRemotes() < len(o.Servers)-1 { // there are several routes to each
				return false
			}
		}
		return true
	})
	nc := o.System(tb)
	defer nc.Close()
	Eventually(tb, "every server counts all", func() bool {
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		Must(tb, err)
		defer func() { Must(tb, sub.Unsubscribe()) }()
		Must(tb, nc.PublishRequest("$SYS.REQ.SERVER.PING", inbox, nil))
		for range o.Servers {
			m, err := sub.NextMsg(time.Second)
			if err != nil {
				return false // not all have heard of the question
			}
			var answer struct {
				Statsz struct {
					Active int `json:"active_servers"`
				} `json:"statsz"`
			}
			Must(tb, json.Unmarshal(m.Data, &answer))
			if answer.Statsz.Active < len(o.Servers) {
				return false
			}
		}
		return true
	})
}

// heard reports whether every server that runs knows of somebody who answers: one that
// does not would refuse its clients.
func (o *Operator) heard(tb testing.TB) bool {
	tb.Helper()
	for _, s := range o.Servers {
		if s.srv == nil || !s.srv.Running() {
			continue
		}
		account, err := s.srv.LookupAccount(o.Accounts[CalloutAccount])
		if err != nil || account.Interest(callout.Subject) == 0 {
			return false
		}
	}
	return true
}
