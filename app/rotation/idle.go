package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// expecting lists the servers that expect a key, and those that could not be asked.
func (r *Rotator) expecting(ctx context.Context, kind, public string) ([]string, error) {
	seen, err := r.Expecting(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the servers what they expect: %w", err)
	}
	var servers []string
	for _, x := range seen {
		key := x.Issuer
		if kind == issuer.KindXKey {
			key = x.XKey
		}
		switch key {
		case public:
			servers = append(servers, "server "+x.name()+" still expects "+short(public))
		case "":
			servers = append(servers, "server "+x.name()+" does not say what it expects: "+x.Problem)
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

// short returns enough of a public key to tell it from others.
func short(public string) string { return public[:min(len(public), 8)] + "…" }

// Blockers says what depends on a key: nothing if it is safe to retire.
func (r *Rotator) Blockers(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	if e.State == issuer.StateActive {
		return []string{"it is active"}, nil
	}
	reports, err := r.Reports(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the running ushers: %w", err)
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
	if r.Pinned != nil {
		blockers = append(blockers, r.Pinned(e.PublicKey)...)
	}
	slices.Sort(blockers)
	return slices.Compact(blockers), nil
}

// reported lists what running ushers say of a key that keeps it from being retired:
// one that uses it as if nothing had happened, because it has not heard of the
// change, and servers that asked for it and for no other since.
func (r *Rotator) reported(reports []keyusage.Report, e *keyring.Entry) []string {
	var blockers []string
	asked, since := map[string]time.Time{}, map[string]time.Time{} // by server: for this key, for another of its kind
	for i := range reports {
		for _, k := range reports[i].Keys {
			if k.PublicKey == e.PublicKey && k.State == issuer.StateActive {
				blockers = append(blockers, "usher "+reports[i].Name()+" still has it as active")
			}
			last := since
			switch {
			case k.PublicKey == e.PublicKey:
				last = asked
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
		return blockers // what servers go by can be seen there, and need not be guessed
	}
	for name, at := range asked {
		if ago := r.Now().Sub(at); ago < lately && !since[name].After(at) && !slices.Contains(r.Without, name) {
			blockers = append(blockers, fmt.Sprintf("server %s asked for it %s ago, and for no other since", name, max(0, ago).Round(time.Second)))
		}
	}
	return blockers
}

// signed lists what a signing key of operator mode has signed that would fall with
// it: nats-server closes those connections.
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

// sentinels lists the servers whose sentinel a key has signed, or that do not show
// who has.
func (r *Rotator) sentinels(ctx context.Context, e *keyring.Entry, servers []operator.Server) ([]string, error) {
	seen, err := r.Expecting(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the servers for their sentinels: %w", err)
	}
	var blockers []string
	knocked := map[string]bool{}
	for _, x := range seen {
		knocked[x.Server] = true
		switch x.Sentinel {
		case e.PublicKey:
			blockers = append(blockers, "it has signed the sentinel that server "+x.name()+" takes")
		case "":
			blockers = append(blockers, "server "+x.name()+" does not show who has signed its sentinel: "+x.Problem)
		}
	}
	for _, s := range servers {
		if !knocked[s.Name] {
			blockers = append(blockers, "server "+s.Name+" cannot be asked who has signed its sentinel: put its URL into nats.urls")
		}
	}
	return blockers, nil
}

// sealed lists what keeps the servers from having left an xkey.
func (r *Rotator) sealed(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	a, err := account(s, r.Config.Callout)
	if err != nil {
		return nil, err
	}
	now, _, err := r.look(ctx, a)
	switch {
	case err != nil:
		return nil, err
	case now.claims.Authorization.XKey == e.PublicKey:
		return []string{"the JWT of " + a.Name + " names it"}, nil
	case !now.agree:
		return []string{"not every server has the newest JWT of " + a.Name}, nil
	}
	return r.away(ctx)
}
