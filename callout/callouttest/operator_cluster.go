package callouttest

import (
	"encoding/json"
	"testing"
	"time"

	"usher/callout"
)

// WaitCluster waits until every server has a route to every other and counts it as
// active. Before that, a request to all servers may reach only some.
func (o *Operator) WaitCluster(tb testing.TB) {
	tb.Helper()
	if len(o.Servers) < 2 {
		return
	}
	Eventually(tb, "every server has a route to every other", func() bool {
		for _, s := range o.Servers {
			if s.srv.NumRemotes() < len(o.Servers)-1 { // a server has several routes to each other
				return false
			}
		}
		return true
	})
	nc := o.ConnectSystem(tb)
	defer nc.Close()
	Eventually(tb, "every server counts all servers as active", func() bool {
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		Must(tb, err)
		defer func() { Must(tb, sub.Unsubscribe()) }()
		Must(tb, nc.PublishRequest("$SYS.REQ.SERVER.PING", inbox, nil))
		for range o.Servers {
			m, err := sub.NextMsg(time.Second)
			if err != nil {
				return false // not all servers got the request
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

// hasInterest reports whether every running server knows of a subscription to
// authorization requests. A server without it refuses its clients.
func (o *Operator) hasInterest(tb testing.TB) bool {
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
