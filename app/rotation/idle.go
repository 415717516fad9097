package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"usher/callout/keyusage"
	"usher/internal/plural"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// expecting lists the servers that expect a key, and those for which it is unknown.
func (r *Rotator) expecting(ctx context.Context, kind, public string) ([]string, error) {
	probes, err := r.Probe(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the servers what they expect: %w", err)
	}
	var servers []string
	for _, x := range probes {
		key := x.Issuer
		if kind == issuer.KindXKey {
			key = x.XKey
		}
		switch key {
		case public:
			servers = append(servers, "server "+x.name()+" still expects "+short(public))
		case "":
			servers = append(servers, "cannot tell which key server "+x.name()+" expects: "+x.Problem)
		}
	}
	return servers, nil
}

func (x *Expectation) name() string {
	if x.Server != "" {
		return x.Server
	}
	return x.URL
}

// short returns the first characters of a public key.
func short(public string) string { return public[:min(len(public), 8)] + "…" }

// Blockers lists what depends on a key. Empty: the key is safe to retire.
func (r *Rotator) Blockers(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	if e.State == issuer.StateActive {
		return []string{"it is active"}, nil
	}
	reports, err := r.reports(ctx)
	if err != nil {
		return nil, err
	}
	blockers := r.reported(reports, e)
	var more []string
	switch {
	case r.Operator == nil:
		more, err = r.expecting(ctx, e.Kind, e.PublicKey)
	case e.Kind == issuer.KindSigning:
		more, err = r.signed(ctx, s, e)
	default:
		more, err = r.sealed(ctx, s, e)
	}
	if err != nil {
		return nil, err
	}
	blockers = append(blockers, more...)
	if r.Dependents != nil {
		blockers = append(blockers, r.Dependents(e.PublicKey)...)
	}
	slices.Sort(blockers)
	return slices.Compact(blockers), nil
}

// reported lists the blockers that the reports of running ushers show: an usher that
// has not loaded the changed keyring and still uses the key, and a server whose last
// request asked for the key.
func (r *Rotator) reported(reports []keyusage.Report, e *keyring.Entry) []string {
	var blockers []string
	// The last request of each server for this key, and for another key of its kind.
	forThis, forOther := map[string]time.Time{}, map[string]time.Time{}
	for i := range reports {
		if n := reports[i].Sealed[e.PublicKey]; n > 0 {
			blockers = append(blockers, fmt.Sprintf("only it opens %s of push endpoints, says usher %s", plural.Count(n, "authorization header"), reports[i].Name()))
		}
		for _, k := range reports[i].Keys {
			if k.PublicKey == e.PublicKey && k.State == issuer.StateActive {
				blockers = append(blockers, "usher "+reports[i].Name()+" still has it as active")
			}
			last := forOther
			switch {
			case k.PublicKey == e.PublicKey:
				last = forThis
			case k.Kind != e.Kind || k.State == "":
				continue
			}
			for _, s := range k.Servers {
				if s.Last.After(last[s.Name]) {
					last[s.Name] = s.Last
				}
			}
		}
	}
	if r.Operator != nil {
		return blockers // in operator mode the servers themselves are asked
	}
	for name, at := range forThis {
		if ago := r.Now().Sub(at); ago < lately && !forOther[name].After(at) && !slices.Contains(r.IgnoredServers, name) {
			blockers = append(blockers, fmt.Sprintf("server %s asked for it %s ago, and for no other key since", name, max(0, ago).Round(time.Second)))
		}
	}
	return blockers
}

// signed lists the connections and sentinels whose user JWT a signing key of operator
// mode has signed. nats-server closes those connections when the key is removed.
func (r *Rotator) signed(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	a, err := account(s, e.Account)
	if err != nil {
		return nil, err
	}
	servers, err := r.servers(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := r.Operator.Cluster.Connections(ctx, a.PublicKey, servers)
	if err != nil {
		return nil, err
	}
	var blockers []string
	switch n := counts[e.PublicKey]; {
	case n == 1:
		blockers = append(blockers, "1 connection in "+e.Account+" holds a user JWT that it has signed")
	case n > 1:
		blockers = append(blockers, fmt.Sprintf("%d connections in %s hold a user JWT that it has signed", n, e.Account))
	}
	if e.Account != r.Config.Callout {
		return blockers, nil
	}
	sentinels, err := r.sentinels(ctx, e, servers)
	return append(blockers, sentinels...), err
}

// sentinels lists the servers whose sentinel a key has signed, and those for which the
// signer is unknown.
func (r *Rotator) sentinels(ctx context.Context, e *keyring.Entry, servers []operator.Server) ([]string, error) {
	probes, err := r.Probe(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the servers for their sentinels: %w", err)
	}
	var blockers []string
	probed := map[string]bool{}
	for _, x := range probes {
		probed[x.Server] = true
		switch x.Sentinel {
		case e.PublicKey:
			blockers = append(blockers, "it has signed the sentinel of server "+x.name())
		case "":
			blockers = append(blockers, "cannot tell which key has signed the sentinel of server "+x.name()+": "+x.Problem)
		}
	}
	for _, s := range servers {
		if !probed[s.Name] {
			blockers = append(blockers, "cannot tell which key has signed the sentinel of server "+s.Name+": add its URL to nats.urls")
		}
	}
	return blockers, nil
}

// sealed lists why servers may still encrypt requests to an xkey.
func (r *Rotator) sealed(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	a, err := account(s, r.Config.Callout)
	if err != nil {
		return nil, err
	}
	now, _, err := r.accountJWT(ctx, a)
	switch {
	case err != nil:
		return nil, err
	case now.claims.Authorization.XKey == e.PublicKey:
		return []string{"the JWT of " + a.Name + " names it"}, nil
	case !now.agree:
		return []string{"not every server has the newest JWT of " + a.Name}, nil
	}
	return r.unreachable(ctx)
}
