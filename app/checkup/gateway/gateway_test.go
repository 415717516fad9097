package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// check makes all checks of an event gateway.
func check(t *testing.T, g *gatewaytest.Gateway, files ...string) finding.List {
	t.Helper()
	cfg, err := config.Load(g.Config())
	callouttest.Must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var f finding.List
	checkup.Check(ctx, &f, g.Config(), cfg, false, files)
	return f
}

func text(f finding.List) string {
	var b strings.Builder
	for _, x := range f {
		fmt.Fprintf(&b, "%-7s %s %s: %s\n", x.Severity, x.Check, x.Where, x.Detail)
	}
	return b.String()
}

// usher check is content with everything that usher init --event-gateway writes, also with
// the files of both servers.
func TestJoined(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*setup.EventGateway){
		"plain":   nil,
		"bridge":  gatewaytest.WithBridge(t),
		"callout": func(o *setup.EventGateway) { o.Services = setup.ServicesByCallout },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, change)
			g.Start(t)
			service := g.Service(t, setup.ServiceApplications)
			_, err := service.QueueSubscribeSync("habitat.event.>", "automate")
			callouttest.Must(t, err)
			callouttest.Must(t, service.Flush())
			for _, files := range [][]string{nil, {g.Path(setup.FileExternal), g.Path(setup.FileInternal)}} {
				f := check(t, g, files...)
				for _, x := range f {
					if x.Severity != finding.OK {
						t.Errorf("%+v", x)
					}
				}
				t.Log(text(f))
				findingtest.Holds(t, f, fault.None, "gateway", finding.OK, "joined to gateway event-service, server event-service, in both directions")
			}
		})
	}
}
