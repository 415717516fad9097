package callout_test

import (
	"testing"

	"usher/callout/callouttest"
)

// A request takes few allocations: each costs time, and the collector more of it.
func TestHandleAllocations(t *testing.T) {
	const limit = 60
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			keys := callouttest.NewKeys(t)
			service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
				URLs: "nats://127.0.0.1:1", Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: callouttest.WithDigests(benchDirectory(100, 9)),
			})
			w := newBenchRequest(t, keys, sealed)
			n := testing.AllocsPerRun(1000, func() {
				if answer, code := service.Handle(t.Context(), w.data, w.header); answer == nil {
					t.Fatalf("not answered: %s", code)
				}
			})
			if n > limit {
				t.Errorf("%v allocations: %d are the most", n, limit)
			}
		})
	}
}
