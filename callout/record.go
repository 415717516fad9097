package callout

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/internal/secret"
	"usher/issuer"
)

// record is the last step of a request, after the answer was sent. It turns the outcome
// into a failure of the client, metrics, audit, log and trace.
func (s *Service) record(x *exchange) {
	x.steps[stepRecord].start = s.cfg.Now()
	if x.authenticated && !x.again.decided && countsAsFailure(&x.decision) {
		s.failuresAt(x.decision.Verifier).Record(x.attempt)
	}
	s.reportGranted(x)
	s.cfg.Metrics.Request(x.decision.Code)
	s.cfg.Metrics.Verified(x.decision.Verifier, string(x.decision.Outcome))
	e := x.event()
	if x.decision.Outcome == Shed {
		// Shedding must not wait for the writer of the audit.
		s.cfg.Audit.TryWrite(e)
		s.shedding.Count(x.decision.Code)
	} else {
		s.observe(&e)
		s.cfg.Audit.Write(e)
		s.log.Decision(&e, levelOf(x.decision.Outcome))
	}
	s.trace(x, &e)
}

func (s *Service) observe(e *audit.Event) {
	ended := e.Time.Add(e.Total)
	step := func(name string, took time.Duration) { s.cfg.Metrics.Step(name, took, e.RequestID, ended) }
	step(metrics.StepQueue, e.Queue)
	step(metrics.StepOpen, e.Open)
	if e.Verifier != "" {
		step(metrics.StepVerify, e.Verify)
		step(metrics.StepDerive, e.Derive)
		step(metrics.StepIssue, e.Issue)
	}
	step(metrics.StepTotal, e.Total)
}

// maxText is the maximum length in bytes of text from outside in log and audit.
const maxText = 256

// event returns the audit event of a request. The filter of the request redacts every
// text that is not from the directory.
func (x *exchange) event() audit.Event {
	filter := x.filter()
	clip := func(text string) string { return filter.Text(text, maxText) }
	user := x.decision.Identity.Name
	if len(x.decision.Rules) > 0 {
		user = clip(user) // it may contain what the authority calls the identity
	}
	e := audit.Event{
		Time: x.arrival, RequestID: x.id,
		Outcome: string(x.decision.Outcome), Code: x.decision.Code, Cause: clip(x.decision.Cause),
		User: user, Authority: string(x.decision.Identity.Authority),
		IdentityID: clip(x.decision.Identity.ID), Rule: strings.Join(x.decision.Rules, ", "), Profile: x.decision.Facts.Profile, Method: string(x.decision.Identity.Method),
		Verifier: x.decision.Verifier, KeyID: x.decision.Identity.KeyID,
		Queue: x.took(stepAdmit), Total: x.steps[stepRecord].start.Sub(x.arrival), Open: x.took(stepOpen, stepAuthenticate), Verify: x.took(stepVerify), Derive: x.took(stepDerive), Issue: x.took(stepIssue, stepSeal),
	}
	if x.decision.Outcome == Granted {
		e.Account, e.Expires = x.decision.Grant.Account, x.expires
	}
	if s := x.decision.Snapshot; s != nil {
		e.DirectoryRevision = s.Latest()
	}
	if x.request != nil {
		// Not client_info.user: it contains the token if the client sent one.
		c := x.request.claims
		e.ClientHost, e.ClientID = c.ClientInformation.Host, c.ClientInformation.ID
		if a, err := netip.ParseAddr(e.ClientHost); err != nil || a.Zone() != "" { // the server sets an address; it is not a secret
			e.ClientHost = clip(e.ClientHost)
		}
		e.ClientKind, e.ClientType = clip(c.ClientInformation.Kind), clip(c.ClientInformation.Type)
		e.ClientName, e.MQTTClientID = clip(c.ClientInformation.Name), clip(c.ClientInformation.MQTT)
		e.ServerID, e.ServerName, e.Issuer = publicKey(c.Server.ID, clip), clip(c.Server.Name), publicKey(c.Subject, clip)
	}
	return e
}

func levelOf(o Outcome) slog.Level {
	switch o {
	case Granted:
		return slog.LevelDebug
	case Denied:
		return slog.LevelInfo
	case Unavailable, Shed, Malformed:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// publicKey returns a public key without filtering it, so that a client that presents
// a server's key as its token cannot hide the server. It clips any other text.
func publicKey(text string, clip func(string) string) string {
	if len(text) == issuer.PublicKeyLength && nkeys.IsValidPublicKey(text) {
		return text
	}
	return clip(text)
}

// filter returns the filter for texts of a request in log and audit. It redacts
// every secret that the client may have presented, also those that no verifier uses.
func (x *exchange) filter() secret.Filter {
	if x.request == nil {
		return secret.Filter{}
	}
	o := &x.request.claims.ConnectOptions
	return secret.NewFilter(x.credential.Token(), o.Token, o.Password, o.JWT, o.SignedNonce)
}
