package callout

import (
	"strings"
	"time"

	"usher/audit"
	"usher/metrics"
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

// maxText bounds what log and audit keep of a text that others chose.
const maxText = 256

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// event is what the audit keeps of a result.
func (r *result) event(arrival time.Time) audit.Event {
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
		e.ClientHost, e.ClientID = clip(c.ClientInformation.Host), c.ClientInformation.ID
		e.ClientKind, e.ClientType = clip(c.ClientInformation.Kind), clip(c.ClientInformation.Type)
		e.ClientName, e.MQTTClientID = clip(c.ClientInformation.Name), clip(c.ClientInformation.MQTT)
		e.ServerID, e.ServerName, e.Issuer = clip(c.Server.ID), clip(c.Server.Name), clip(c.Subject)
	}
	return e
}
