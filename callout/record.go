package callout

import (
	"net/netip"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/internal/secret"
)

// record records the result of a request in metrics, audit and log. It runs after
// the answer has been sent.
func (s *Service) record(j *job) {
	total := s.cfg.Now().Sub(j.arrival)
	s.cfg.Metrics.Request(j.decision.Code)
	e := j.event(j.arrival)
	e.Queue, e.Total = j.queued, total
	if j.decision.Outcome == Shed {
		// Shedding must not wait for the writer of the audit.
		s.cfg.Audit.TryWrite(e)
		s.shedding.count(j.decision.Code)
		return
	}
	s.observe(j, total)
	s.cfg.Audit.Write(e)
	s.log.decision(&e)
}

func (s *Service) observe(j *job, total time.Duration) {
	m := s.cfg.Metrics
	m.Step(metrics.StepQueue, j.queued)
	m.Step(metrics.StepOpen, j.opening)
	if j.decision.Verifier != "" {
		m.Step(metrics.StepVerify, j.decision.Verify)
		m.Step(metrics.StepDerive, j.decision.Derive)
		m.Step(metrics.StepIssue, j.issuing)
	}
	m.Step(metrics.StepTotal, total)
}

// maxText is the maximum length in bytes of text from outside in log and audit.
const maxText = 256

// event returns the audit event of a result. The filter of the request redacts every
// text that is not from the directory.
func (r *result) event(arrival time.Time) audit.Event {
	filter := r.filter()
	clip := func(text string) string { return filter.Text(text, maxText) }
	e := audit.Event{
		Time: arrival, RequestID: r.id,
		Outcome: string(r.decision.Outcome), Code: r.decision.Code, Cause: clip(r.decision.Cause),
		User: r.decision.Identity.Name, Method: string(r.decision.Identity.Method),
		Verifier: r.decision.Verifier, KeyID: r.decision.Identity.KeyID,
		Open: r.opening, Verify: r.decision.Verify, Derive: r.decision.Derive, Issue: r.issuing,
	}
	if r.decision.Outcome == Granted {
		e.Account, e.Expires = r.decision.Grant.Account, r.expires
	}
	if r.request != nil {
		// Not client_info.user: it contains the token if the client sent one.
		c := r.request.claims
		e.ClientHost, e.ClientID = c.ClientInformation.Host, c.ClientInformation.ID
		if _, err := netip.ParseAddr(e.ClientHost); err != nil { // the server sets an address; it is not a secret
			e.ClientHost = clip(e.ClientHost)
		}
		e.ClientKind, e.ClientType = clip(c.ClientInformation.Kind), clip(c.ClientInformation.Type)
		e.ClientName, e.MQTTClientID = clip(c.ClientInformation.Name), clip(c.ClientInformation.MQTT)
		e.ServerID, e.ServerName, e.Issuer = publicKey(c.Server.ID, clip), clip(c.Server.Name), publicKey(c.Subject, clip)
	}
	return e
}

// publicKey returns a public key without filtering it, so that a client that presents
// a server's key as its token cannot hide the server. It clips any other text.
func publicKey(text string, clip func(string) string) string {
	if nkeys.IsValidPublicKey(text) {
		return text
	}
	return clip(text)
}

// filter returns the filter for texts of a request in log and audit. It redacts
// every secret that the client may have presented, also those that no verifier uses.
func (r *result) filter() secret.Filter {
	if r.request == nil {
		return secret.Filter{}
	}
	o, c := &r.request.claims.ConnectOptions, CredentialOf(r.request.claims)
	return secret.NewFilter(c.Token(), o.Token, o.Password, o.JWT, o.SignedNonce)
}
