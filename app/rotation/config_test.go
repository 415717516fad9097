package rotation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/rotation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/issuer"
	"usher/issuer/keyring"
)

// pair is two servers in config mode, and the keys that each expects.
type pair struct {
	servers []*callouttest.Server
	keys    []callouttest.Keys
}

func (p *pair) urls() string {
	var urls []string
	for _, s := range p.servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

func (p *pair) expecting(context.Context) ([]rotation.Expectation, error) {
	var all []rotation.Expectation
	for i, s := range p.servers {
		all = append(all, rotation.Expectation{URL: s.URL(), Server: s.URL(), Issuer: p.keys[i].Issuer, XKey: p.keys[i].XKey})
	}
	return all, nil
}

// restart restarts both servers with changed keys, one after the other. No new client
// is sent to a server from before it stops until it has joined its cluster again: in
// lame duck mode nats-server sends no callout for clients that are connecting, and after
// a start it accepts clients before it has a route.
func (p *pair) restart(t *testing.T, f *fleet, l *load, change func(*callouttest.Keys)) {
	t.Helper()
	for i, s := range p.servers {
		change(&p.keys[i])
		l.drain(t, s.URL())
		s.Stop()
		s.SetKeys(t, p.keys[i])
		s.Start(t)
		for _, u := range f.services {
			u.WaitReady(t)
		}
		callouttest.Eventually(t, "the server answers", func() bool {
			return hasUsher(s) && connects(s.URL(), nats.Token("publisher-key")) == nil
		})
		l.draining.Delete(s.URL())
	}
}

// hasUsher reports whether a server knows of the subscription of an usher. Without it
// its callouts get no answer.
func hasUsher(s *callouttest.Server) bool {
	account, err := s.NATSServer().LookupAccount(callouttest.CalloutAccount)
	return err == nil && account.Interest(callout.Subject) > 0
}

// In config mode the servers are restarted one after the other with the new lines.
// usher serves both keys until then.
func TestRotateRollingRestart(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	p := &pair{}
	var routes []string
	for i := range 2 {
		// An usher moves its two connections one after the other, each in at most 2 s. The
		// grace period must be longer than that; by default it is 10 s.
		s := callouttest.StartServer(t, callouttest.ServerConfig{
			Name: "n" + string(rune('1'+i)), Keys: keys, Sealed: true, Cluster: true, Routes: slices.Clone(routes), LameDuck: 4500 * time.Millisecond,
			Timeout: loadTimeout,
		})
		routes = append(routes, s.RouteURL())
		p.servers, p.keys = append(p.servers, s), append(p.keys, keys)
	}
	dir := callouttest.KeyringDir(t, true, keys)
	f := newFleet(t, 2, callouttest.ServiceConfig{URLs: p.urls(), Keyring: dir, Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Connections: 2, Budget: loadBudget})
	r := &rotation.Rotator{
		Dir: dir, Now: time.Now, ReloadTimeout: 10 * time.Second, IdlePeriod: 500 * time.Millisecond,
		Progress: func(line string) { t.Log(line) }, Reports: f.reports, Probe: p.expecting,
	}
	for _, s := range p.servers {
		callouttest.Eventually(t, "the server answers", func() bool { return hasUsher(s) && connects(s.URL(), nats.Token("publisher-key")) == nil })
	}
	l := startLoad(t, p.urls(), true, nats.Token("publisher-key"), nats.Token("consumer-key"))
	kinds := []string{issuer.KindIssuer, issuer.KindXKey}
	for _, kind := range kinds {
		target := rotation.Target{Kind: kind}
		old := active(t, r, target)
		r.Wait = 0
		_, err := r.Rotate(t.Context(), target)
		var wait *rotation.WaitError
		if !errors.As(err, &wait) || len(wait.Missing) != 2 {
			t.Fatalf("before the servers were restarted: %v", err)
		}
		s, err := keyring.ReadState(dir, keyring.Config{})
		must(t, err)
		next := s.Entry(s.Rotation.New)
		p.restart(t, f, l, func(k *callouttest.Keys) {
			if kind == issuer.KindIssuer {
				k.Issuer = next.PublicKey
			} else {
				k.XKey = next.PublicKey
			}
		})
		r.Wait = 20 * time.Second
		result, err := r.Resume(t.Context())
		must(t, err)
		if result.Old != old || len(result.Blockers) > 0 || active(t, r, target) != next.PublicKey {
			t.Errorf("%+v", result)
		}
	}
	l.end(t, len(kinds), "each with two servers restarted one after the other, 2 ushers")
}
