package rotation_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/app/rotation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/issuer"
	"usher/permissions"
)

// rounds is how often each kind of key is rotated under load.
var rounds = flag.Int("rounds", 2, "how often each kind of key is rotated under load")

// Every kind of key of operator mode is rotated repeatedly in a cluster of three servers
// with two ushers, while clients connect. No client is refused, and none times out.
func TestRotateUnderLoad(t *testing.T) {
	t.Parallel()
	template := jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
	template.Pub.Allow.Add("{{tag(project)}}.>")
	template.Sub.Allow.Add("_INBOX_{{name()}}.>")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{
		Timeout: loadTimeout,
		Servers: 3, Sealed: true, Scoped: map[string]jwt.UserPermissionLimits{"consumer": template},
	})
	f := newFleet(t, 2, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Budget: loadBudget,
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "consumer"}},
	})
	r := operatorRotator(t, o, f)
	l := startLoad(t, o.URLs(), false, nats.Token("publisher-key"), nats.Token("consumer-key"), nats.UserInfo("project=far", "both-key"))
	targets := []rotation.Target{
		{Kind: issuer.KindXKey},
		signingKey(callouttest.CalloutAccount, ""),
		signingKey(callouttest.AppAccount, ""),
		signingKey(callouttest.AppAccount, "consumer"),
	}
	for _, target := range targets {
		var keys []string
		for range *rounds {
			// Longer than a response takes to reach the server, on a machine of any speed. The
			// server closes a connection whose response it gets after the removal of the key.
			r.IdlePeriod = max(1200*time.Millisecond, 2*l.longest())
			old := active(t, r, target)
			result, err := r.Rotate(t.Context(), target)
			must(t, err)
			if result.Old != old || result.New == old || len(result.Blockers) > 0 {
				t.Errorf("%s: %+v", target, result)
			}
			keys = append(keys, result.New)
		}
		if now := active(t, r, target); now != keys[len(keys)-1] || len(slices.Compact(slices.Sorted(slices.Values(keys)))) != *rounds {
			t.Errorf("%s: active is %s after %s", target, now, keys)
		}
	}
	l.end(t, len(targets)**rounds, "3 servers, 2 ushers")
	granted, late := 0, 0
	for _, s := range f.services {
		for _, e := range s.Events(t) {
			switch {
			case e.Text("outcome") == "granted":
				granted++
			case e.Text("code") == callout.CodeTooLate: // the machine is busy; the client tries another server
				late++
			default:
				t.Errorf("%s %s: %s", e.Text("outcome"), e.Text("code"), e.Text("cause"))
			}
		}
	}
	if t.Logf("figures: %d granted, %d too late", granted, late); late > granted/100 {
		t.Error("too many requests were too late")
	}
}
