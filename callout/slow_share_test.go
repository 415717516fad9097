package callout_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"usher/callout"
	"usher/callout/callouttest"
)

// A host that sends requests for a slow verifier gets a part of its slots, and so does a
// credential that many hosts present. Others find a free slot, and API keys need none.
//
// Attack: one host, or one credential, keeps everybody else from a verifier that waits
// Held by: each may hold a third of the slots that are still free
func TestShareOfSlots(t *testing.T) {
	const slots, share, sent = 8, 2, 6
	for name, who := range map[string]func(i int) (host, token string){
		"host":       func(i int) (string, string) { return heavyHost, fmt.Sprintf("a:ok#greedy%d", i) },
		"credential": func(i int) (string, string) { return fmt.Sprintf("10.0.1.%d", i), "a:ok#shared" },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend("a")
			s, i := newSlowEnv(t, slots, b)
			var greedy []pendingRequest
			for n := range sent {
				host, token := who(n)
				greedy = append(greedy, i.request(t, host, "", token))
			}
			b.waitFor(t, share)
			s.waitShed(t, callout.CodeVerifierBusy, sent-share)
			others := i.requestN(t, slots-share, "a:ok")
			b.waitFor(t, slots)
			if !i.request(t, heavyHost, "", "publisher-key").granted() {
				t.Error("an API key of the same host is denied")
			}
			close(b.unblock)
			expectGranted(t, others...)
			answered := func() (n int) {
				for _, request := range greedy {
					got, _, err := request.answers.Pending()
					callouttest.Must(t, err)
					n += got
				}
				return n
			}
			callouttest.Eventually(t, "the requests that waited are answered", func() bool { return answered() == share })
			inFlight(t, s.service, 0)
			callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
			if n := answered(); n != share {
				t.Errorf("%d requests are answered", n)
			}
		})
	}
}

// Failures count for the verifier that sees them: those of a slow verifier neither shed
// nor cost other credentials of the same host, and failures of API keys do not keep a
// credential from a slow verifier.
//
// Attack: a client fails at one verifier until usher does not answer the others of its host
// Held by: a slow verifier has limits of failures of its own
func TestFailuresPerVerifier(t *testing.T) {
	const oneFailure = 0.001 // a second: the burst is 1
	for name, cfg := range map[string]callouttest.ServiceConfig{
		"by host": {FailuresPerHost: oneFailure}, "by credential": {FailuresPerCredential: oneFailure},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newBackend("a"), newBackend("b")
			close(a.unblock)
			close(b.unblock)
			slow := slowConfig(8, a, b)
			slow.FailuresPerHost, slow.FailuresPerCredential = cfg.FailuresPerHost, cfg.FailuresPerCredential
			s, i := newImpostorWith(t, false, slow)
			shed := 0
			expect := func(host, token string, want callout.Outcome) {
				t.Helper()
				if want == callout.Shed {
					shed++
				}
				request := i.request(t, host, "", token)
				if want != callout.Shed {
					if request.granted() != (want == callout.Granted) {
						t.Errorf("%s from %s is not %s", token, host, want)
					}
				}
				s.waitShed(t, callout.CodeFailing, shed)
				inFlight(t, s.service, 0) // a failure counts after the answer was sent
			}
			expect(heavyHost, "a:no", callout.Denied)
			asked := a.calls.Load()
			expect(heavyHost, "a:no", callout.Shed)
			if n := a.calls.Load(); n != asked {
				t.Errorf("the verifier was asked %d times more", n-asked)
			}
			if cfg.FailuresPerHost > 0 {
				expect(heavyHost, "a:ok", callout.Shed) // nobody knows whether it is good without asking
				expect(lightHost, "a:ok", callout.Granted)
			} else {
				expect(lightHost, "a:no", callout.Shed)
				expect(heavyHost, "a:ok", callout.Granted)
			}
			expect(heavyHost, "b:ok", callout.Granted)
			expect(heavyHost, "publisher-key", callout.Granted)
			expect(heavyHost, "wrong", callout.Denied)

			expect(heavyHost, "wrong", callout.Shed)
			expect(heavyHost, "b:no", callout.Denied)
			expect(heavyHost, "publisher-key", callout.Granted)
		})
	}
}

// A worker that waits is replaced, and ends after its request: a service that has waited
// for many requests has as many goroutines as before.
func TestWorkersAreReplaced(t *testing.T) {
	const n = 40
	a, b := newBackend("a"), newBackend("b")
	close(b.unblock)
	s, i := newSlowEnv(t, n, a, b)
	workers := func(n int) func() bool {
		return func() bool { return strings.Count(goroutines(), "callout.(*Service).work(") == n }
	}
	before := slowConfig(n).Workers
	callouttest.Eventually(t, "the workers run", workers(before))
	waiting := i.requestN(t, n, "ab:ok") // waits for both, one after the other
	a.waitFor(t, n)
	callouttest.Eventually(t, "each worker that waits is replaced", workers(before+n))
	close(a.unblock)
	expectGranted(t, waiting...)
	inFlight(t, s.service, 0)
	callouttest.Eventually(t, "the replaced workers have ended", workers(before))
}

// goroutines returns the stacks of all goroutines.
func goroutines() string {
	text := make([]byte, 16<<20)
	return string(text[:runtime.Stack(text, true)])
}
