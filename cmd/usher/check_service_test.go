package main

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"usher/app/checkup/finding"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestCheckService: check counts the connections of all ushers, and tells a service user
// without permission from ushers that do not reply.
func TestCheckService(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	in.serve(t)
	other := in.Path("other.yaml")
	text, err := os.ReadFile(in.Config())
	callouttest.Must(t, err)
	in.Write(t, "other.yaml", strings.NewReplacer(strings.TrimPrefix(in.Web, "http://"), "127.0.0.1:0", in.API, "127.0.0.1:0").Replace(string(text)))
	p := start(t, "usher", "serve", "-c", other)
	p.waitFor(t, "usher is running")
	callouttest.Eventually(t, "both are counted", func() bool {
		return slices.ContainsFunc(checkLive(t, in.Config()).Findings, func(f finding.Finding) bool {
			return f.Check == "service" && f.Severity == finding.OK && strings.HasPrefix(f.Detail, "8 connections")
		})
	})
}

// TestCheckServiceHint: the hint is a command to paste.
func TestCheckServiceHint(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	code, stdout, _ := answered(t, "check", "-c", in.Config())
	if want := "warning service " + in.URL + ": no usher answers\n        hint: usher serve -c " + in.Config() + "\n"; code != cmdutil.ExitOK || !strings.Contains(stdout, want) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// TestCheckServiceWaits: check waits for an usher that is just starting.
func TestCheckServiceWaits(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	cfg, err := config.Load(in.Config())
	callouttest.Must(t, err)
	opts, err := natsconn.ServiceOptions(cfg)
	callouttest.Must(t, err)
	nc := apptest.Connected(t, in.URL, opts...)
	var pings atomic.Int32
	_, err = nc.Subscribe("$SRV.PING.usher", func(m *nats.Msg) {
		if pings.Add(1) > 1 { // and on, since an answer can come late
			_ = m.Respond([]byte(`{"type":"` + micro.PingResponseType + `","id":"late"}`))
		}
	})
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	callouttest.Eventually(t, "it is counted", func() bool {
		pings.Store(0)
		return slices.ContainsFunc(checkLive(t, in.Config()).Findings, func(f finding.Finding) bool {
			return f.Check == "service" && f.Severity == finding.OK && strings.HasPrefix(f.Detail, "1 connection of usher")
		})
	})
}

// TestCheckServiceForbidden: without permission to query, check makes no statement about
// ushers.
func TestCheckServiceForbidden(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Edit(t, setup.FileServerConfig, "{ user: usher, ", `{ user: usher, permissions: { publish: { deny: "$SRV.PING.usher" } }, `)
	in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitOK, "service", "warning", "cannot ask which ushers run")
}
