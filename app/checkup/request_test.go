package checkup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"usher/internal/fault"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/issuer/keyring"
)

// TestClockSkew: the clocks may differ by at most callout.clock_skew.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	keys, err := keyring.Load(callouttest.KeyringDir(t, true, callouttest.NewKeys(t)), keyring.Config{})
	callouttest.Must(t, err)
	cfg := config.Default()
	for skew, want := range map[time.Duration]finding.Severity{
		0:                         "ok",
		cfg.Callout.ClockSkew:     "ok",
		-cfg.Callout.ClockSkew:    "ok",
		time.Hour:                 "error",
		-time.Hour:                "error",
		cfg.Callout.ClockSkew + 1: "error",
	} {
		var f finding.List
		s := serverCheck{List: &f, cfg: &cfg, keys: keys, url: "nats://test"}
		s.clock(&callout.Inspection{Issuer: "A", Known: true, Timeout: 3 * time.Second, Skew: skew})
		i := slices.IndexFunc(f, func(f finding.Finding) bool { return f.Check == "clock" })
		if i < 0 || f[i].Severity != want || (want == "error") != (f[i].Kind == fault.Config) {
			t.Errorf("skew %s: %+v", skew, f)
		}
	}
}

// TestTimeout: the server waits longer than clients and than callout.budget, which is not
// shorter than the patience of clients.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		timeout, budget time.Duration
		want            finding.Severity
		hint            string
	}{
		{1 * time.Second, 2 * time.Second, finding.Error, "authorization.timeout to 3 "},
		{2 * time.Second, 2 * time.Second, finding.Warning, "authorization.timeout to 3 "},
		{3 * time.Second, 2 * time.Second, finding.OK, ""},
		{10 * time.Second, 2 * time.Second, finding.OK, ""},
		{3 * time.Second, 5 * time.Second, finding.Error, "authorization.timeout to 6 "},
		{5 * time.Second, 5 * time.Second, finding.Warning, "authorization.timeout to 6 "},
		{6 * time.Second, 5 * time.Second, finding.OK, ""},
		{10 * time.Second, 10 * time.Second, finding.Warning, "authorization.timeout to 11 "},
		{3 * time.Second, 1500 * time.Millisecond, finding.Warning, "callout.budget"},
	} {
		cfg := config.Default()
		cfg.Callout.Budget = tt.budget
		var f finding.List
		s := serverCheck{List: &f, cfg: &cfg, url: "nats://test"}
		s.timeout(&callout.Inspection{Timeout: tt.timeout})
		if len(f) != 1 || f[0].Severity != tt.want || !strings.Contains(f[0].Hint, tt.hint) {
			t.Errorf("timeout %s, budget %s: %+v, want %s with hint %q", tt.timeout, tt.budget, f, tt.want, tt.hint)
		}
	}
}

// TestCheckClock measures the skew with the requests of a real server.
func TestCheckClock(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true})
	cfg, err := config.Load(apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, true, mine), nil))
	callouttest.Must(t, err)
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		var clock callouttest.Clock
		clock.Advance(off)
		opts, err := natsconn.ServiceOptions(cfg)
		callouttest.Must(t, err)
		var f finding.List
		for range apptest.Attempts {
			f = nil
			keys, _ := checkFiles(t.Context(), &f, "usher.yaml", cfg, true)
			s := serverCheck{set: newServerSet(), List: &f, cfg: cfg, keys: keys, url: srv.URL(), now: clock.Now}
			if s.run(t.Context(), opts); !checkTimedOut(f, apptest.Unanswered) {
				break
			}
		}
		wrong := slices.ContainsFunc(f, func(f finding.Finding) bool { return f.Check == "clock" && f.Severity == finding.Error })
		if wrong != (off != 0) {
			t.Errorf("clock off by %s: %+v", off, f)
		}
	}
}
