package callout

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"usher/callout/admission"
	"usher/callout/ratelimit"
	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/issuer"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
)

func TestConfigValid(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: valid
	}{
		{"valid", func(*Config) {}, ""},
		{"no URL", func(c *Config) { c.URLs = "" }, "no NATS URL"},
		{"no account", func(c *Config) { c.Account = "" }, "no callout account"},
		{"no connections", func(c *Config) { c.Connections = 0 }, "must be at least 1"},
		{"no workers", func(c *Config) { c.Workers = 0 }, "must be at least 1"},
		{"no queue", func(c *Config) { c.Queue = 0 }, "must be at least 1"},
		{"no waiters", func(c *Config) { c.Waiters = 0 }, "must be at least 1"},
		{"no order", func(c *Config) { c.Order = "" }, `order ""`},
		{"unknown order", func(c *Config) { c.Order = "random" }, `order "random"`},
		{"no budget", func(c *Config) { c.Budget = 0 }, "budget"},
		{"no clock for failures", func(c *Config) { c.Failures.Now = nil }, "incomplete"},
		{"no metrics", func(c *Config) { c.Metrics = nil }, "incomplete"},
		{"no verifiers", func(c *Config) { c.Decider = &Decider{} }, ""},
		// They would share slots, and logs could not tell them apart.
		{"two verifiers of one name", func(c *Config) {
			v := apikey.NewVerifier(nil, time.Now)
			c.Decider = &Decider{Chain: tokens.Chain{v, health.NewVerifier(nil, time.Now), v}}
		}, `two verifiers are named "apikey"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{
				URLs: "nats://127.0.0.1", Account: "AUTH", Connections: 1, Workers: 1, Queue: 1, Waiters: 1,
				Order: admission.Adaptive, Failures: ratelimit.Config{Now: time.Now}, Budget: time.Second,
				Decider: &Decider{Chain: tokens.Chain{apikey.NewVerifier(nil, time.Now), health.NewVerifier(nil, time.Now)}},
				Issuer:  &issuer.Issuer{}, Keyring: func() *issuer.Keyring { return nil },
				Log: slog.New(slog.DiscardHandler), Audit: &audit.Log{}, Metrics: &metrics.Metrics{},
				Now: time.Now, Random: strings.NewReader(""), NewID: func() string { return "" },
			}
			tt.change(&c)
			err := c.valid()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
