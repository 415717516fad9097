package callout

import (
	"errors"
	"slices"
	"strings"

	"usher/callout/session"
)

// Sessions is the registry of live sessions. It is told of the connections that are granted.
// Its methods return at once.
type Sessions interface {
	// Granted is called once for each granted request, after its answer was sent. The server
	// may still refuse the user JWT.
	Granted(s *session.Session)
	// Find returns the session of a connection.
	Find(id session.ID) (*session.Session, bool)
}

// reserve reserves a place for a connection that may be granted. It reports whether there
// is one.
func (s *Service) reserve(x *exchange) bool {
	if s.cfg.Limits == nil {
		return true
	}
	switch err := s.cfg.Limits.Reserve(x.connection(), &x.decision.Identity, &x.decision.Grant); {
	case errors.Is(err, session.ErrCountUncertain):
		return x.end(Unavailable, CodeCountUncertain, err.Error())
	case err != nil:
		return x.end(Denied, CodeTooManyConnections, err.Error())
	}
	x.reserved = true
	return true
}

// hasPlace reports whether reserve would find a place.
func (s *Service) hasPlace(x *exchange, d *Decision) bool {
	return s.cfg.Limits == nil || !s.cfg.Limits.Full(x.connection(), &d.Identity, &d.Grant)
}

// connection returns the id of the connection that a request is about. It shares memory
// with the text of the request.
func (x *exchange) connection() session.ID {
	return session.ID{Server: x.request.claims.Server.ID, Client: x.request.claims.ClientInformation.ID}
}

// reportGranted tells the registry of sessions about a granted request, and ends its
// reservation.
func (s *Service) reportGranted(x *exchange) {
	if s.cfg.Sessions != nil && x.decision.Outcome == Granted {
		s.noteBeside(x)
		s.cfg.Sessions.Granted(x.session(s.instance))
	}
	if x.reserved {
		s.cfg.Limits.Release(x.connection())
	}
}

// session returns what is known about a granted connection. It shares no memory with the
// text of the request, which is much larger.
func (x *exchange) session(instance string) *session.Session {
	c, d := x.request.claims, &x.decision
	out := &session.Session{
		ID:         session.ID{Server: strings.Clone(c.Server.ID), Client: c.ClientInformation.ID},
		ServerName: strings.Clone(c.Server.Name), RequestID: x.id,
		Digest: x.credential.DigestToKeep(&d.Identity), Identity: d.Identity, Verifier: d.Verifier, Rules: slices.Clone(d.Rules), Profile: d.Facts.Profile,
		Grant: d.Grant, UserNKey: strings.Clone(c.UserNkey), Started: x.arrival, Decided: x.arrival, Expires: x.expires,
		Addr: x.credential.Addr(), Client: x.credential.Client, Instance: instance,
	}
	if live := x.again.session; x.again.decided {
		out.Started, out.Digest = live.Started, live.Digest
	}
	if live := x.again.follows; live != nil {
		if out.Follows = live.Decided; live.Adopted {
			out.Follows = live.Started // as its server says
		}
		if !out.Decided.After(live.Decided) { // clocks differ
			out.Decided = live.Decided.Add(1)
		}
	}
	if d.Ruleset != nil {
		out.Ruleset = d.Ruleset.Digest
	}
	if d.Snapshot != nil {
		out.Revision = d.Snapshot.Latest()
	}
	for _, text := range []*string{&out.Client.Name, &out.Client.Lang, &out.Client.Version, &out.Client.Kind, &out.Client.Type} {
		*text = session.Clip(*text, session.MaxClientText)
	}
	out.Grant.Connection.MQTTClientID = session.Clip(d.Grant.Connection.MQTTClientID, session.MaxMQTTClientID)
	return out
}
