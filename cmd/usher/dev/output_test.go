package dev

import (
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/demo"
	"usher/app/demo/gateway"
	"usher/callout/callouttest"
	"usher/tokens/apikey"
)

// A token that was given as the name of a folder is not printed.
func TestHidden(t *testing.T) {
	token, err := apikey.New(rand.Reader)
	callouttest.Must(t, err)
	dir := filepath.Join(t.TempDir(), token)
	var out strings.Builder
	callouttest.Must(t, PrintText(&out, &demo.Directory{}, "nats://h:1", "http://h:2", dir))
	callouttest.Must(t, printDemoJSON(&out, &demo.Directory{}, "nats://h:1", "http://h:2", dir))
	r := gateway.Run{Dir: dir, Directory: demo.Directory{EventGateway: string(gateway.Bridge)}}
	site := r.Site()
	callouttest.Must(t, json.NewEncoder(&out).Encode(site))
	site.Supervisors = append(site.Supervisors, site.Refused)
	callouttest.Must(t, printSiteText(&out, &site))
	if strings.Contains(out.String(), token) {
		t.Errorf("dev shows it:\n%s", &out)
	}
}

func TestPrintEvent(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, e := range map[string]gateway.Event{
		"03:04:05  habitat.event.healthcheck             from supervisor demo, over core\n":        {Subject: "habitat.event.healthcheck", Supervisor: "demo", Over: gateway.OverCore},
		"03:04:05  habitat                               no event of a supervisor, over durable\n": {Subject: "habitat", Over: gateway.OverDurable},
	} {
		e.Time = at
		var out strings.Builder
		callouttest.Must(t, printEventText(&out, &e))
		if out.String() != want {
			t.Errorf("%q, want %q", &out, want)
		}
	}
}
