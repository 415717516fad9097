package server

import (
	"context"
	"encoding/hex"

	"usher/app/sessions/exchange"
	"usher/app/sessions/refusals"
	"usher/app/sessions/servers"
	"usher/callout/keyusage"
	"usher/internal/metrics"
	"usher/internal/secret"
)

// prepareRefusals makes the part that notices what servers did not accept.
func (srv *Server) prepareRefusals(instance string) {
	srv.sessions.refusals = refusals.New(refusals.Config{
		Registry: srv.sessions.registry, Instance: instance,
		Audit: srv.audit.WriteRefusedByServer, Log: srv.log, Now: srv.Parts.Now,
	})
}

// refused is told of every connection that a server did not let in.
func (l *liveSessions) refused(r servers.Refusal) { l.refusals.RefusedAt(r.ID) }

// startRefusals subscribes to what the servers say. It ends with ctx.
func (l *liveSessions) startRefusals(ctx context.Context) error {
	l.background.Go(func() { l.refusals.Run(ctx) })
	return l.exchange.Subscribe(refusals.Subject, l.refusals.Event)
}

// refusalStates are the metrics of refusals.
func (l *liveSessions) refusalStates() []metrics.State {
	return []metrics.State{{
		Name: "usher_refused_by_server_total", Counter: true, Labels: []string{"reason"},
		Help: "Connections that this usher has granted and whose server did not accept the user JWT, by the kind of reason. See docs/how-to/troubleshoot.md.",
		Read: func() []metrics.Sample {
			var out []metrics.Sample
			for _, c := range l.refusals.Counts() {
				out = append(out, metrics.Sample{Labels: []string{string(c.Class)}, Value: float64(c.Total)})
			}
			return out
		},
	}}
}

// sessionsReport is what usher check reads of live sessions; nil before the start.
func (srv *Server) sessionsReport() *keyusage.Sessions {
	if !srv.started.Load() {
		return nil
	}
	l := srv.sessions
	r := &keyusage.Sessions{Live: l.registry.Len(), System: l.servers.Configured(), Refused: l.refusals.Last()}
	if r.System {
		r.NotReady = problem(l.servers.Ready())
	}
	s := l.exchange.Status()
	switch {
	case s.Account != nil:
		r.NotShared = problem(s.Account)
	case !s.Connected:
		r.NotShared = "not connected"
	}
	for i := range s.Replicas[:min(len(s.Replicas), maxReplicas)] {
		r.Replicas = append(r.Replicas, s.Replicas[i].Instance)
	}
	state := srv.decidesBy()
	r.Revision, r.Directory, r.Identities = state.Revision, short(state.Directory), short(state.Identities)
	return r
}

// maxReplicas bounds the report, which has to fit into one message of NATS.
const maxReplicas = 64

func problem(err error) string {
	if err == nil {
		return ""
	}
	return secret.RedactDetected(secret.Line(err.Error()))
}

// short returns the beginning of a digest, which is enough to compare; empty: there is none.
func short(digest [32]byte) string {
	if digest == (exchange.State{}).Directory {
		return ""
	}
	return hex.EncodeToString(digest[:8])
}
