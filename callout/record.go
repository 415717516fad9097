package callout

import (
	"net/netip"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/internal/secret"
)

// record writes down what became of a request: metrics, audit and log. It runs
// after the answer has gone out.
func (s *Service) record(j *job) {
	total := s.cfg.Now().Sub(j.arrival)
	s.cfg.Metrics.Request(j.decision.Code)
	e := j.event(j.arrival)
	e.Queue, e.Total = j.waited, total
	if j.decision.Outcome == Shed {
		// What is too much must not wait for whoever writes it down.
		s.cfg.Audit.TryWrite(e)
		s.shedding.one(j.decision.Code)
		return
	}
	s.observe(j, total)
	s.cfg.Audit.Write(e)
	s.log.decision(&e)
}

func (s *Service) observe(j *job, total time.Duration) {
	m := s.cfg.Metrics
	m.Step(metrics.StepQueue, j.waited)
	m.Step(metrics.StepOpen, j.opening)
	if j.decision.Verifier != "" {
		m.Step(metrics.StepVerify, j.decision.Verify)
		m.Step(metrics.StepDerive, j.decision.Derive)
		m.Step(metrics.StepIssue, j.issuing)
	}
	m.Step(metrics.StepTotal, total)
}

// maxText bounds what log and audit keep of a text that others chose, in bytes.
const maxText = 256

// event is what the audit keeps of a result. Every text in it that is not from the
// directory goes through the filter of the request.
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
		// client_info.user is left out: for a token it is the token.
		c := r.request.claims
		e.ClientHost, e.ClientID = c.ClientInformation.Host, c.ClientInformation.ID
		if _, err := netip.ParseAddr(e.ClientHost); err != nil { // an address is the server's word, and holds no secret
			e.ClientHost = clip(e.ClientHost)
		}
		e.ClientKind, e.ClientType = clip(c.ClientInformation.Kind), clip(c.ClientInformation.Type)
		e.ClientName, e.MQTTClientID = clip(c.ClientInformation.Name), clip(c.ClientInformation.MQTT)
		e.ServerID, e.ServerName, e.Issuer = publicKey(c.Server.ID, clip), clip(c.Server.Name), publicKey(c.Subject, clip)
	}
	return e
}

// publicKey shows a public key as it is, whatever a client has presented, so that
// nobody can hide which server it came by.
func publicKey(text string, clip func(string) string) string {
	if nkeys.IsValidPublicKey(text) {
		return text
	}
	return clip(text)
}

// filter is the way of all texts of a request to log and audit. It knows everything
// that a client can present as a secret, whether a verifier looks at it or not.
func (r *result) filter() secret.Filter {
	if r.request == nil {
		return secret.Filter{}
	}
	o, c := &r.request.claims.ConnectOptions, CredentialOf(r.request.claims)
	return secret.NewFilter(c.Token(), o.Token, o.Password, o.JWT, o.SignedNonce)
}
