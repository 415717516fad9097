package stanbridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// stan is the client program of testdata/stan, with stan.go.
type stan struct{ program, token string }

func buildStan(t *testing.T) *stan {
	t.Helper()
	program := callouttest.BuildIn(t, filepath.Join("..", "..", "testdata", "stan"), "stan", ".")
	s := &stan{program: program, token: filepath.Join(t.TempDir(), "token")}
	callouttest.Must(t, os.WriteFile(s.token, []byte(gatewaytest.IngestToken+"\n"), 0o600))
	return s
}

// external are the arguments of a supervisor.
func (s *stan) external(g *gatewaytest.Gateway) []string {
	return []string{"--nats-url", strings.Replace(g.URL, "nats://", "tls://", 1), "--tls-ca", g.Path(setup.FileCA), "--tls-name", "localhost", "--token-file", s.token}
}

// client runs the client until it ends or ctx does, and returns the lines that it prints.
func (s *stan) client(ctx context.Context, t *testing.T, out *callouttest.Buffer, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(ctx, s.program, append([]string{"client"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &stderr
	stdin, err := cmd.StdinPipe() // a client that goes on ends when it closes
	callouttest.Must(t, err)
	callouttest.Must(t, cmd.Start())
	if err := cmd.Wait(); err != nil {
		t.Errorf("stan client: %v\n%s", err, stderr.String())
	}
	_ = stdin.Close() // closed by Wait
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

type stanResult struct {
	OK               bool     `json:"ok"`
	Error            string   `json:"error"`
	PermissionErrors []string `json:"permission_errors"`
	Count            int      `json:"count"`
	Attempts         int      `json:"attempts"`
	Opened           int      `json:"opened"`
}

func resultOf(t *testing.T, lines []string) stanResult {
	t.Helper()
	var r stanResult
	callouttest.Must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &r))
	return r
}

// A client of stan.go with an ingest token publishes, stays with pings, closes and connects
// again with the same ID. Another channel and subscriptions are refused by the external
// server.
func TestStanGo(t *testing.T) {
	t.Parallel()
	s := buildStan(t)
	g, _ := gateway(t)
	read(t, g)
	for _, c := range []struct {
		name, op, channel, hold string
		refused                 string
	}{
		{"publish and stay", "publish", "habitat", "4s", ""},
		{"publish again with the same ID", "publish-async", "habitat", "0s", ""},
		{"another channel", "publish", "other", "0s", `.other"`},
		{"subscribe", "subscribe", "habitat", "0s", `"_STAN.sub`},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r := resultOf(t, s.client(ctx, t, &callouttest.Buffer{}, append(s.external(g), "--client-id", "sup-1", "--op", c.op, "--channel", c.channel, "--hold", c.hold, "--timeout", "5s")...))
		cancel()
		if c.refused == "" && (!r.OK || len(r.PermissionErrors) > 0) {
			t.Errorf("%s: %+v\n%s", c.name, r, g.Log)
		}
		if c.refused != "" && (r.OK || len(r.PermissionErrors) == 0 || !strings.Contains(r.PermissionErrors[0], c.refused)) {
			t.Errorf("%s: not refused: %+v", c.name, r)
		}
	}
}

// A client that may ask for a subscription is told that there are none, by an error of the
// protocol and not by a timeout.
func TestStanGoSubscribes(t *testing.T) {
	t.Parallel()
	s := buildStan(t)
	url := server(t)
	start(t, config(url))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := resultOf(t, s.client(ctx, t, &callouttest.Buffer{}, "--nats-url", url, "--op", "subscribe", "--channel", "habitat", "--timeout", "20s"))
	if r.OK || !strings.Contains(r.Error, "does not serve subscriptions") {
		t.Errorf("%+v", r)
	}
}

// While a client of stan.go publishes through the event gateway, the store, usher with the
// bridge, and the internal server stop and start again. No acknowledged message is lost.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	s := buildStan(t)
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	g.Server(t, setup.FileExternal)
	internal, store := g.Server(t, setup.FileInternal), g.Server(t, setup.FileStore)
	g.Usher(t)
	read(t, g)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out callouttest.Buffer
	ended := make(chan []string, 1)
	go func() {
		ended <- s.client(ctx, t, &out, append(s.external(g), "--client-id", "sup-1", "--op", "publish-many", "--channel", "habitat",
			"--count", "300", "--interval", "10ms", "--timeout", "1s")...)
	}()
	acked := func() int { return strings.Count(out.String(), `"number"`) }
	goOn := func(what string) {
		from := acked()
		callouttest.Eventually(t, "messages are acknowledged "+what, func() bool { return acked() >= from+20 })
	}
	goOn("at first")
	store.Stop()
	g.Server(t, setup.FileStore)
	goOn("after a restart of the store")
	g.StopUsher()
	g.Usher(t)
	goOn("after a restart of usher")
	internal.Stop()
	g.Server(t, setup.FileInternal)
	goOn("after a restart of the internal server")
	r := resultOf(t, <-ended)

	js, err := jetstream.NewWithDomain(g.Service(t, setup.ServiceApplications), setup.StoreDomain)
	callouttest.Must(t, err)
	consumer, err := js.Consumer(ctx, setup.StreamHabitat, setup.Durable)
	callouttest.Must(t, err)
	found := map[string]int{}
	total := 0
	for {
		m, err := consumer.Next(jetstream.FetchMaxWait(2 * time.Second))
		if err != nil {
			break
		}
		found[string(m.Data())]++
		total++
		callouttest.Must(t, m.DoubleAck(ctx))
	}
	t.Logf("published %d in %d attempts, acknowledged %d, stored %d, of them %d twice; %d streaming connections", 300, r.Attempts, r.Count, total, total-len(found), r.Opened)
	if r.Count != 300 || len(found) != 300 {
		t.Errorf("acknowledged %d, found %d of 300", r.Count, len(found))
	}
}

// While a client floods the bridge, supervisors connect: usher decides about each.
func TestDecisionsDuringFlood(t *testing.T) {
	g, flooder := gateway(t)
	read(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan int, 1)
	go func() {
		n := 0
		for data := []byte("\x0a\x05flood\x12\x02g1\x1a\x07habitat\x2a\x05hello"); ctx.Err() == nil; n++ {
			if flooder.Publish(pubHabitat, data) != nil {
				break
			}
		}
		stopped <- n
	}()
	for range 8 {
		g.Supervisor(t, gatewaytest.IngestToken).Close()
	}
	cancel()
	t.Logf("8 supervisors connected, while a client published %d messages", <-stopped)
}
