package eventgateway_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// system is an event gateway of processes that can be killed, with its load. It has NATS
// Streaming, or usher's bridge and a store.
type system struct {
	*site
	natsServer, usher      string // programs
	storeAddr              string // empty without a bridge
	toExternal, toInternal *proxy // to their gateways

	external, internal, storage func() // end them
	killUsher                   func()
	stan                        *habitattest.StreamingProcess

	supervisors *supervisors
	publishers  []*habitattest.StreamingProcess
	read        func() map[string]int // how often a service has read each message
}

func startSystem(t *testing.T, bridge bool) *system {
	t.Helper()
	s := &system{natsServer: callouttest.Build(t, "nats-server", callouttest.NATSServerPackage), usher: callouttest.Build(t, "usher", "usher/cmd/usher")}
	s.site = newSite(t, func(o *setup.EventGateway) {
		if bridge {
			gatewaytest.WithBridge(t)(o)
			s.storeAddr = o.Bridge.Store
		}
		s.toExternal, s.toInternal = startProxy(t, o.GatewayOf.External), startProxy(t, o.GatewayOf.Internal)
		o.Reach.External, o.Reach.Internal = s.toExternal.addr(), s.toInternal.addr()
	})
	// The servers are to notice a dead connection within seconds.
	s.Edit(t, setup.FileExternal, "server_name: event-gateway\n", "server_name: event-gateway\nping_interval: \"1s\"\n")
	s.Edit(t, setup.FileInternal, "server_name: event-service\n", "server_name: event-service\nping_interval: \"1s\"\n")
	s.startExternal(t)
	s.startInternal(t)
	if bridge {
		s.startStore(t)
		s.startUsher(t)
		s.read = s.consume(t)
	} else {
		s.startUsher(t)
		s.stan = s.startStreaming(t)
		reader := s.site.read(t)
		s.read = func() map[string]int { return received(t, reader) }
	}
	for i := range 4 {
		s.publishers = append(s.publishers, s.publish(t, fmt.Sprintf("stan-%d", i), "50ms"))
	}
	s.supervisors = s.startSupervisors(t, 20)
	s.recovers(t, "nothing")
	return s
}

// fault is something that fails, and is repaired.
type fault struct {
	name string
	do   func()
}

// suffer lets faults happen, one after the other, and checks what is left.
func (s *system) suffer(t *testing.T, faults ...fault) {
	t.Helper()
	for _, f := range faults {
		f.do()
		s.recovers(t, f.name)
	}
	s.complete(t)
	s.supervisors.report(t)
}

// No event that was acknowledged is lost, and no supervisor is denied or let in with more
// than ingest, whatever is killed.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := startSystem(t, false)
	s.suffer(t,
		fault{"the external server is killed", func() { s.external(); s.startExternal(t) }},
		fault{"the internal server is killed", func() { s.internal(); s.startInternal(t) }},
		fault{"the gateway connections are cut", func() { s.toInternal.cut(); s.toExternal.cut() }},
		fault{"the gateway connection to the internal server is cut", func() { s.toInternal.cut() }},
		fault{"the gateway connection to the external server is cut", func() { s.toExternal.cut() }},
		fault{"the gateway connections lose everything", func() { s.toInternal.lose(); s.toExternal.lose() }},
		fault{"usher is killed", func() { s.killUsher(); s.startUsher(t) }},
		fault{"usher is killed, and the external server while it is down", func() {
			s.killUsher()
			s.external()
			s.startExternal(t)
			s.startUsher(t)
		}},
		fault{"NATS Streaming is killed", func() { s.stan.Kill(); s.stan = s.startStreaming(t) }},
		fault{"both servers and NATS Streaming are killed", func() {
			s.stan.Kill()
			s.internal()
			s.external()
			s.startExternal(t)
			s.startInternal(t)
			s.stan = s.startStreaming(t)
		}},
	)
}

func (s *system) startExternal(t *testing.T) {
	t.Helper()
	s.external = callouttest.RunServerProcess(t, s.natsServer, s.Path(setup.FileExternal), s.externalAddr())
}

func (s *system) startInternal(t *testing.T) {
	t.Helper()
	s.internal = callouttest.RunServerProcess(t, s.natsServer, s.Path(setup.FileInternal), s.Internal)
}

func (s *system) startUsher(t *testing.T) {
	t.Helper()
	cmd := exec.Command(s.usher, "serve", "-c", s.Config())
	var log callouttest.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	callouttest.Must(t, cmd.Start())
	ended := false
	s.killUsher = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill() // it is to end
			_ = cmd.Wait()         // it was killed
		}
	}
	t.Cleanup(s.killUsher)
	callouttest.Eventually(t, "usher is ready", func() bool { return s.ready(t) })
}

func (s *system) ready(t *testing.T) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Web+"/readyz", http.NoBody)
	callouttest.Must(t, err)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close() //nolint:errcheck // only its status is read
	return answer.StatusCode == http.StatusOK
}

// recovers waits until events of every supervisor and publisher arrive that were published
// after the fault.
func (s *system) recovers(t *testing.T, fault string) {
	t.Helper()
	begin, since, acked := time.Now(), s.supervisors.now(), s.acked()
	callouttest.Eventually(t, fault+": events arrive again", func() bool { return s.supervisors.arrived(since) })
	core := time.Since(begin)
	callouttest.Eventually(t, fault+": publications are acknowledged again", func() bool {
		for i, n := range s.acked() {
			if n < acked[i]+5 {
				return false
			}
		}
		return true
	})
	t.Logf("%s: events of all supervisors after %v, acknowledgements of all publishers after %v", fault, core.Round(10*time.Millisecond), time.Since(begin).Round(10*time.Millisecond))
}

// acked returns how many messages of each publisher are acknowledged: each is a line.
func (s *system) acked() []int {
	var numbers []int
	for _, p := range s.publishers {
		numbers = append(numbers, p.Printed())
	}
	return numbers
}

// complete stops the publishers, and checks that the reader gets everything that was
// acknowledged.
func (s *system) complete(t *testing.T) {
	t.Helper()
	acked, attempts, opened, reconnects, denials := 0, 0, 0, 0, 0
	var counts []int
	for i, p := range s.publishers {
		r := p.Result()
		if !r.OK || r.Denials > 0 || len(r.PermissionErrors) > 0 {
			t.Errorf("publisher %d: %+v", i, r)
		}
		acked, attempts, opened, reconnects, denials = acked+r.Count, attempts+r.Attempts, opened+r.Opened, reconnects+r.Reconnects, denials+r.Denials
		counts = append(counts, r.Count)
	}
	missing := func() (lost []string) {
		for i, n := range counts {
			lost = append(lost, unread(s.read(), fmt.Sprintf("stan-%d", i), n)...)
		}
		return lost
	}
	callouttest.Eventually(t, "the service reads everything that was acknowledged", func() bool { return len(missing()) == 0 })
	got := s.read()
	duplicates := 0
	for _, n := range got {
		duplicates += n - 1
	}
	t.Logf("stan.go: %d publishers, published %d times, acknowledged %d, received %d, lost %d, duplicates %d, reconnects %d, streaming connections opened %d, denials %d",
		len(s.publishers), attempts, acked, len(got), len(missing()), duplicates, reconnects, opened, denials)
}
