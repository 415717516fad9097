package main

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// makeStreams creates a stream of project shop for each header that exceeds a publisher's
// subjects, one without such a header, and one without a topic of a project.
func makeStreams(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	for _, config := range []jetstream.StreamConfig{
		{Name: "orders", Subjects: []string{"shop.orders"}, AllowRollup: true},
		{Name: "prices", Subjects: []string{"shop.market.>"}, AllowMsgSchedules: true},
		{Name: "returns", Subjects: []string{"shop.returns"}},
		{Name: "elsewhere", Subjects: []string{"elsewhere.>"}, AllowRollup: true},
	} {
		_, err := js.CreateStream(t.Context(), config)
		callouttest.Must(t, err)
	}
}

// streamSeverities returns the findings about streams by stream.
func streamSeverities(c checked) map[string]finding.Severity {
	severities := map[string]finding.Severity{}
	for _, f := range c.Findings {
		if f.Check == "streams" {
			severities[f.Where] = f.Severity
		}
	}
	return severities
}

// TestCheckStreams: check names the streams in which a header lets a publisher exceed its
// ACL, in both modes, and says when it has no user to look with.
//
// Attack: a publisher deletes a stream's messages by Nats-Rollup, or publishes to another topic by Nats-Schedule-Target
// Held by: usher check names every stream of a project whose options let it
func TestCheckStreams(t *testing.T) {
	t.Parallel()
	const none, app = "", callouttest.AppAccount + ": "
	saysAll := func(t *testing.T, file string) {
		t.Helper()
		c := checkLive(t, file)
		c.finds(t, cmdutil.ExitOK, "streams", "warning", "can delete all messages of the stream (Nats-Rollup: all)")
		c.finds(t, cmdutil.ExitOK, "streams", "warning", "can publish to every subject of the stream (Nats-Schedule-Target)")
		if severities := streamSeverities(c); len(severities) != 2 || severities[app+"orders"] != "warning" || severities[app+"prices"] != "warning" {
			t.Errorf("%v", severities)
		}
	}
	t.Run("config mode", func(t *testing.T) {
		t.Parallel()
		keys := callouttest.NewKeys(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: 3})
		keyring := callouttest.KeyringDir(t, true, keys)
		file := apptest.ConfigFor(t, srv, keyring, withSystemUser(nil))
		checkLive(t, file).finds(t, cmdutil.ExitOK, "streams", "ok", "0 streams of projects")
		makeStreams(t, srv.Connect(t, callouttest.AdminUser))
		saysAll(t, file)
		c := checkLive(t, apptest.ConfigFor(t, srv, keyring, nil))
		c.finds(t, cmdutil.ExitOK, "streams", "warning", "cannot ask the servers for the streams of projects")
		if severities := streamSeverities(c); severities[none] != "warning" {
			t.Errorf("%v", severities)
		}
		down := fmt.Sprintf("[nats://127.0.0.1:%d]", callouttest.FreePort(t))
		c = checkLive(t, apptest.ConfigFor(t, srv, keyring, withSystemUser(map[string]string{"nats.urls": down})))
		c.finds(t, cmdutil.ExitRuntime, "system user", "error", "cannot connect as the system user: nats: no servers")
		for _, f := range c.Findings {
			if f.Check == "streams" && f.Hint != "the system user finding gives the cause" {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("operator mode", func(t *testing.T) {
		t.Parallel()
		o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
		nc, err := nats.Connect(o.URLs(), nats.UserCredentials(o.AdminCreds))
		callouttest.Must(t, err)
		t.Cleanup(nc.Close)
		makeStreams(t, nc)
		saysAll(t, operatorConfigFor(t, o, nil))
	})
}
