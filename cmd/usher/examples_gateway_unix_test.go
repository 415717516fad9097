//go:build unix

package main

import (
	"strings"
	"testing"

	"usher/callout/callouttest"
)

// TestEventGatewayExample is TestExamples for the event gateway. An event arrives.
func TestEventGatewayExample(t *testing.T) {
	t.Parallel()
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	program := callouttest.Build(t, "usher", ".")
	e := newExample(t, "event-gateway", natsServer, program, " --token-file", " --token-file") // it says where the servers are
	e.follow(t, "## Run it\n")

	commands := pageCommands(t, "examples/event-gateway/README.md", "## Try it\n", "\n## ")
	if len(commands) != 3 {
		t.Fatalf("%d commands", len(commands))
	}
	receive := e.command(t, "exec "+strings.TrimSuffix(e.replace.Replace(commands[0].line), "&"))
	var got callouttest.Buffer
	receive.Stdout, receive.Stderr = &got, &got
	callouttest.Must(t, receive.Start())
	ended := make(chan error, 1)
	go func() { ended <- receive.Wait() }()
	callouttest.Eventually(t, "the service has subscribed", func() bool { return strings.Contains(got.String(), "subscribed to") })
	callouttest.Eventually(t, "the event arrives", func() bool {
		e.try(t, commands[1]) // again: the servers may not have joined yet
		select {
		case err := <-ended:
			if err != nil || got.String() != commands[0].prints {
				t.Fatalf("%v\n%s", err, got.String())
			}
			return true
		default:
			return false
		}
	})
	e.try(t, commands[2])
	composeFits(t, e.dir, program)
}
