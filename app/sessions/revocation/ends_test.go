package revocation_test

import (
	"fmt"
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/callouttest"
	"usher/callout/session"
)

// A session of a key that ends soon by now is listed among those that end soon, although its
// user JWT lasts longer.
func TestSessionsOfAKeyThatEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, nil)
	s.connect(t, "p1", "p2", "b1")
	soon := &sessions.Filter{EndsBy: time.Now().Add(30 * time.Minute)}
	listed := func(n int) func() bool {
		return func() bool {
			for _, r := range s.replicas {
				if page, _ := r.registry.Select(soon, session.ID{}, 10); len(page) != n || r.registry.Count(soon) != n {
					return false
				}
			}
			return true
		}
	}
	callouttest.Eventually(t, "none ends soon", listed(0))
	end := time.Now().Add(20 * time.Minute).UTC().Truncate(time.Second)
	s.set(t, without(t, "{digest: KEY(p1), id: one}", fmt.Sprintf("{digest: KEY(p3), id: one}, {digest: KEY(p1), id: one-old, expires: %s}", end.Format(time.RFC3339))))
	callouttest.Eventually(t, "one ends soon", listed(1))
	for found := range s.replicas[0].registry.Matching(soon) {
		if found.Identity.KeyID != "one" || !found.Ends().Equal(end) {
			t.Errorf("key %s ends at %s, want %s", found.Identity.KeyID, found.Ends(), end)
		}
	}
	s.set(t, base)
	callouttest.Eventually(t, "none ends soon any more", listed(0))
}
