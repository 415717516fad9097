package callouttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"usher/callout"
	"usher/callout/admission"
	"usher/callout/codes"
	"usher/callout/ratelimit"
	"usher/callout/session"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/internal/tracing"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/health"
	"usher/tokens/service"
)

// ServiceConfig configures a Service. URLs, Keyring and Directory are required.
type ServiceConfig struct {
	Account               string    // callout account; default CalloutAccount
	URLs                  string    // comma-separated
	Keyring               string    // directory of seeds, see KeyringDir
	Operator              *Operator // operator mode: replaces Account, URLs, Keyring and Options
	Scoped                []permissions.ScopedRole
	AnyMQTT               []string // accounts that allow any MQTT client id
	Directory             string   // YAML of the directory
	TLS                   *CA
	Connections           int             // default 4
	Workers               int             // default 4
	Queue                 int             // default 4096
	Waiters               int             // of one slow verifier; default 64
	Order                 admission.Order // default admission.Adaptive
	FailuresPerHost       float64         // a second; default no limit
	FailuresPerCredential float64
	Budget                time.Duration     // default 2 s
	Leeway                time.Duration     // default 5 s
	MaxLifetime           time.Duration     // default none
	Verifiers             []tokens.Verifier // asked before the built-in ones
	Identities            *mapping.Rules    // default none
	Tracer                *tracing.Tracer   // default none
	Sessions              callout.Sessions  // default none
	Limits                session.Limits    // default none
	Now                   func() time.Time  // default time.Now
	Options               []nats.Option     // replaces the service user
}

// Service is the complete service of usher.
type Service struct {
	*callout.Service
	Decider  *callout.Decider
	Registry *prometheus.Registry
	Log      *Buffer // log of the service

	audit     *audit.Log
	auditText *Buffer
	keyring   *keyring.Store
	operator  *Operator // nil: config mode
	directory atomic.Pointer[snapshot.Snapshot]
	drained   sync.Once
}

// Policy returns the policy for the accounts of the harness.
func Policy() *permissions.Policy {
	return &permissions.Policy{
		IngestAccount:      AppAccount,
		AdminAccount:       AppAccount,
		HealthCheckAccount: HealthAccount,
		CalloutAccount:     CalloutAccount,
		SystemAccount:      SystemAccount,
	}
}

// StartService starts a Service and waits until it is ready. It is drained when the
// test ends.
func StartService(tb testing.TB, cfg ServiceConfig) *Service {
	tb.Helper()
	s := StartServiceNoWait(tb, cfg)
	s.WaitReady(tb)
	return s
}

// StartServiceNoWait starts a Service. It is drained when the test ends.
func StartServiceNoWait(tb testing.TB, cfg ServiceConfig) *Service {
	tb.Helper()
	cfg.defaults()
	s := &Service{Registry: prometheus.NewRegistry(), Log: &Buffer{}, auditText: &Buffer{}, operator: cfg.Operator}
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var keyrings keyring.Config
	if cfg.Operator != nil {
		keyrings.Callout, keyrings.System = CalloutAccount, SystemAccount
	}
	var err error
	s.keyring, err = keyring.Open(keyring.StoreConfig{Dir: cfg.Keyring, Config: keyrings, Log: log, Now: cfg.Now})
	Must(tb, err)
	s.SetDirectory(tb, cfg.Directory)
	s.audit = audit.New(s.auditText, nil)
	policy := Policy()
	policy.Scoped, policy.AnyMQTTClientID = cfg.Scoped, cfg.AnyMQTT
	chain := append(tokens.Chain{}, cfg.Verifiers...)
	chain = append(chain, health.NewVerifier(s.Keyring, cfg.Now), service.NewVerifier(s.Keyring, s.directory.Load, cfg.Now), apikey.NewVerifier(s.directory.Load, cfg.Now))
	s.Decider = &callout.Decider{Chain: chain, Snapshot: s.directory.Load, Now: cfg.Now, Ruleset: callout.FixedRuleset(policy, cfg.Identities)}
	s.Service, err = callout.New(callout.Config{
		URLs: cfg.URLs, Options: cfg.Options, Account: cfg.Account,
		Connections: cfg.Connections, Workers: cfg.Workers, Queue: cfg.Queue,
		Waiters: cfg.Waiters, Order: cfg.Order,
		Failures: ratelimit.Config{PerHost: cfg.FailuresPerHost, PerCredential: cfg.FailuresPerCredential, Now: cfg.Now},
		Budget:   cfg.Budget, Leeway: cfg.Leeway, Version: "0.0.0-test",
		Decider: s.Decider,
		Issuer: issuer.New(issuer.Config{
			Policy: policy, Lifetimes: issuer.Lifetimes{MaxLifetime: cfg.MaxLifetime, Jitter: 0.1}, Now: cfg.Now, Random: mathrand.Float64,
		}),
		Keyring: s.Keyring,
		Log:     log,
		Audit:   s.audit,
		Metrics: metrics.New(s.Registry, codes.Metrics()),
		Tracer:  cfg.Tracer, Sessions: cfg.Sessions, Limits: cfg.Limits,
		Now: cfg.Now, Random: rand.Reader, NewID: nuid.Next,
	})
	Must(tb, err)
	Must(tb, s.Start())
	tb.Cleanup(func() { s.Stop(tb) })
	return s
}

func (c *ServiceConfig) defaults() {
	c.Connections = max(c.Connections, 1)
	if o := c.Operator; o != nil {
		c.Account, c.Keyring, c.TLS = o.Accounts[CalloutAccount], o.Keyring, o.cfg.TLS
		if c.URLs == "" {
			c.URLs = o.URLs()
		}
		if c.Options == nil {
			c.Options = []nats.Option{nats.UserCredentials(o.ServiceCreds)}
			if c.TLS != nil {
				c.Options = append(c.Options, nats.Secure(c.TLS.ClientTLS()))
			}
		}
	}
	if c.Account == "" {
		c.Account = CalloutAccount
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Queue == 0 {
		c.Queue = 4096
	}
	if c.Waiters == 0 {
		c.Waiters = 64
	}
	if c.Order == "" {
		c.Order = admission.Adaptive
	}
	if c.Budget == 0 {
		c.Budget = 2 * time.Second
	}
	if c.Leeway == 0 {
		c.Leeway = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Options == nil {
		c.Options = []nats.Option{nats.UserInfo(ServiceUser, Password)}
		if c.TLS != nil {
			c.Options = append(c.Options, nats.Secure(c.TLS.ClientTLS()))
		}
	}
}

// Keyring returns the current keyring.
func (s *Service) Keyring() *issuer.Keyring { return s.keyring.Keyring() }

// ReloadKeyring reloads the keyring directory. After an error the service keeps its
// keyring.
func (s *Service) ReloadKeyring() error { return s.keyring.Reload() }

// SetDirectory replaces the directory, given as YAML.
func (s *Service) SetDirectory(tb testing.TB, text string) {
	tb.Helper()
	s.directory.Store(ParseDirectory(tb, text))
}

// ParseDirectory returns the snapshot of a directory, given as YAML.
func ParseDirectory(tb testing.TB, text string) *snapshot.Snapshot {
	tb.Helper()
	records, _, err := file.Parse("directory.yaml", []byte(text))
	Must(tb, err)
	snapshot, err := snapshot.New(records)
	Must(tb, err)
	return snapshot
}

// WaitReady waits until every connection of the service is connected and subscribed,
// and every server of an Operator knows of the subscription.
func (s *Service) WaitReady(tb testing.TB) {
	tb.Helper()
	Eventually(tb, "the service is ready", func() bool {
		connected, of := s.Connected()
		return connected == of && s.Ready() == nil && (s.operator == nil || s.operator.hasInterest(tb))
	})
}

// Stop drains the service. A second Stop does nothing.
func (s *Service) Stop(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		tb.Errorf("drain: %v", err)
	}
}

// Drain drains the service within ctx, and then closes its audit. A second Drain does
// nothing.
func (s *Service) Drain(ctx context.Context) (err error) {
	s.drained.Do(func() {
		err = errors.Join(s.Service.Drain(ctx), s.audit.Close(context.WithoutCancel(ctx)))
	})
	return err
}

// Event is one audit event.
type Event map[string]any

// Text returns a text field of the event, empty if it is missing.
func (e Event) Text(key string) string {
	text, _ := e[key].(string)
	return text
}

// AuditText returns the audit so far as JSON lines.
func (s *Service) AuditText() string { return s.auditText.String() }

// Events returns the audit events so far.
func (s *Service) Events(tb testing.TB) []Event {
	tb.Helper()
	var events []Event
	for line := range strings.Lines(s.AuditText()) {
		var e Event
		Must(tb, json.Unmarshal([]byte(line), &e))
		events = append(events, e)
	}
	return events
}

// Settled waits until every request received so far is finished and in the audit, and
// returns the events: a client has its answer before the request is recorded. Requests
// that were shed may be missing in the audit, so it is not for tests that overload usher.
func (s *Service) Settled(tb testing.TB) (events []Event) {
	tb.Helper()
	Eventually(tb, "all requests are in the audit", func() bool {
		inFlight, finished := s.counts(tb)
		events = s.Events(tb)
		return inFlight == 0 && len(events) >= finished
	})
	return events
}

// counts returns how many requests are in flight, and how many have finished.
func (s *Service) counts(tb testing.TB) (inFlight, finished int) {
	tb.Helper()
	families, err := s.Registry.Gather()
	Must(tb, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "usher_requests_in_flight":
				inFlight += int(m.GetGauge().GetValue())
			case "usher_requests_total":
				finished += int(m.GetCounter().GetValue())
			}
		}
	}
	return inFlight, finished
}

// WaitEvent waits for an audit event with this code and returns the latest.
func (s *Service) WaitEvent(tb testing.TB, code string) Event {
	tb.Helper()
	var found Event
	Eventually(tb, "an audit event with code "+code, func() bool {
		events := s.Events(tb)
		i := slices.IndexFunc(events, func(e Event) bool { return e.Text("code") == code })
		if i < 0 {
			return false
		}
		for _, e := range events {
			if e.Text("code") == code {
				found = e
			}
		}
		return true
	})
	return found
}

// Eventually waits up to a minute for a condition, which what describes.
func Eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	EventuallyWithin(tb, time.Minute, what, condition)
}

// EventuallyWithin is Eventually with another limit.
func EventuallyWithin(tb testing.TB, limit time.Duration, what string, condition func() bool) {
	tb.Helper()
	deadline := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(deadline) {
			tb.Fatalf("timed out waiting for: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Buffer is a bytes.Buffer for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns the contents so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Clock is a clock that tests can advance.
type Clock struct{ offset atomic.Int64 }

// Now returns the time on the clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Advance advances the clock by d.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }
