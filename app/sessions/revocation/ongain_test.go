package revocation_test

import (
	"testing"
	"testing/synctest"

	"usher/app/sessions/revocation"
	"usher/callout/callouttest"
)

// What happens to sessions that have gained something can change while usher runs, and stops
// what waits to be closed.
func TestSetOnGain(t *testing.T) {
	t.Parallel()
	const before = `
users:
  - {name: pia, keys: [{digest: KEY(pia)}]}
  - {name: bob, keys: [{digest: KEY(bob)}]}
  - {name: eve, keys: [{digest: KEY(eve)}]}
projects:
  - {name: shop, account: APP, topics: [{name: orders, acl: [pia, bob, eve]}, {name: prices}], members: [{user: pia, roles: [publisher]}, {user: bob, roles: [publisher]}, {user: eve, roles: [publisher]}]}
`
	const after = `
users:
  - {name: pia, keys: [{digest: KEY(pia)}]}
  - {name: bob, keys: [{digest: KEY(bob)}]}
  - {name: eve, keys: [{digest: KEY(eve)}]}
projects:
  - {name: shop, account: APP, topics: [{name: orders, acl: [pia, bob, eve]}, {name: prices, acl: [pia, bob, eve]}], members: [{user: pia, roles: [publisher]}, {user: bob, roles: [publisher]}, {user: eve, roles: [publisher]}]}
`
	synctest.Test(t, func(t *testing.T) {
		u := newUnit(t, before, false)
		u.grant("pia")
		u.set(after)
		u.check("keep", "")
		u.engine.SetOnGain(revocation.OnGain{Reconnect: true, Rate: 1000})
		u.check("reconnect", "pia gained ")

		u.set(before)
		u.grant("bob")
		u.grant("eve")
		u.engine.SetOnGain(revocation.OnGain{Reconnect: true, Rate: 1})
		u.set(after)
		callouttest.Eventually(t, "one is closed, and one waits", func() bool { return u.reg.Len() == 1 && u.engine.Status().Waiting == 1 })
		u.engine.SetOnGain(revocation.OnGain{Rate: 1})
		u.settle()
		if n := u.reg.Len(); n != 1 {
			t.Errorf("%d sessions are left", n)
		}
	})
}
