package server_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

// reloading is a running usher that lets anonymous clients in by its rules.
type reloading struct {
	srv  *server.Server
	url  string
	file string // usher.yaml
	text string // of it, at the start
	log  callouttest.Buffer
}

// The rule and the profile that it names, in both forms. Each rule goes with its own profile.
const (
	ruleOne    = `[{name: one, when: [{fact: authority, equals: anonymous}], profile: one}]`
	profileOne = `[{name: one, account: APP, publish: [one], subscribe: ["_INBOX.>"]}]`
)

func startReloading(t *testing.T) *reloading {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: 10})
	s := &reloading{url: srv.URL()}
	s.file = apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, true, keys), map[string]string{
		"credentials.anonymous.enabled": "true", "identities.rules": ruleOne, "profiles": profileOne, "callout.budget": "5s",
	})
	text, err := os.ReadFile(s.file)
	callouttest.Must(t, err)
	s.text = string(text)
	cfg, err := config.Load(s.file)
	callouttest.Must(t, err)
	s.srv, err = server.New(cfg, &s.log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, &s.log)
		}
	})
	<-started
	callouttest.Eventually(t, "usher is ready", func() bool { return s.srv.Ready() == nil })
	return s
}

// write replaces usher.yaml.
func (s *reloading) write(t *testing.T, text string) {
	t.Helper()
	callouttest.Must(t, secretfile.Write(s.file, []byte(text)))
}

// two is usher.yaml with another rule and another profile.
func (s *reloading) two() string {
	return strings.NewReplacer("name: one", "name: two", "profile: one", "profile: two", "- one", "- two", "[one]", "[two]").Replace(s.text)
}

// may reports whether a new client may publish to a subject.
func (s *reloading) may(t *testing.T, subject string) bool {
	t.Helper()
	var refused atomic.Bool
	nc := apptest.Connected(t, s.url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { refused.Store(true) }))
	defer nc.Close()
	callouttest.Must(t, nc.Publish(subject, nil))
	callouttest.Must(t, nc.Flush())
	callouttest.Must(t, nc.Flush()) // the error comes before the second PONG
	return !refused.Load() && nc.LastError() == nil
}

// A changed rule and profile hold for the next connect. A faulty file changes nothing and is
// reported with its place, and other keys are named.
func TestConfigurationReload(t *testing.T) {
	t.Parallel()
	s := startReloading(t)
	if !s.may(t, "one") || s.may(t, "two") {
		t.Fatal("the rules at the start do not hold")
	}
	s.write(t, s.two())
	callouttest.Eventually(t, "the new rules hold", func() bool { return s.may(t, "two") && !s.may(t, "one") })

	s.write(t, strings.Replace(s.text, "profile: one", "profile: three", 1))
	callouttest.Eventually(t, "the fault is reported", func() bool {
		return strings.Contains(s.log.String(), "path=identities.rules[0].profile")
	})
	if !s.may(t, "two") {
		t.Error("the last good rules do not hold")
	}

	s.write(t, strings.Replace(s.text, "budget: 5s", "budget: 4s", 1))
	callouttest.Eventually(t, "the key that needs a restart is named", func() bool {
		return strings.Contains(s.log.String(), "keys=callout.budget")
	})
	callouttest.Eventually(t, "the rules of the start hold", func() bool { return s.may(t, "one") })
	values := map[string]float64{}
	families, err := s.srv.Metrics().Gather()
	callouttest.Must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"usher_identities_reloads_total good": 2, "usher_identities_reloads_total bad": 1, "usher_configuration_restart_needed": 1,
	} {
		if values[key] != want {
			t.Errorf("%s: %v, want %v", key, values[key], want)
		}
	}
}

// While usher.yaml changes, no decision mixes a rule with the profiles of another file.
func TestConfigurationReloadUnderLoad(t *testing.T) {
	t.Parallel()
	s := startReloading(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var granted atomic.Int32
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if nc, err := nats.Connect(s.url); err == nil {
					nc.Close()
					granted.Add(1)
				}
			}
		})
	}
	for i := range 6 {
		text := s.text
		if i%2 == 0 {
			text = s.two()
		}
		before := granted.Load()
		s.write(t, text)
		callouttest.Eventually(t, "the file is loaded, and clients connect", func() bool {
			return strings.Count(s.log.String(), "configuration loaded") > i && granted.Load() >= before+10
		})
	}
	stop()
	clients.Wait()
	if log := s.log.String(); strings.Contains(log, "identity_profile") || strings.Contains(log, `"outcome":"denied"`) {
		t.Errorf("a client was denied:\n%s", log)
	}
}
