package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/issuer"
	"usher/keyring"
)

const (
	quiet   = 3 * time.Second
	goneFor = 10 * time.Second // an usher that has not reported for so long has ended
)

// WaitError says that what others have to do was not done in time. Nothing is lost: the
// rotation can be resumed, or rolled back.
type WaitError struct {
	For     string
	Missing []string
}

// Error implements error.
func (e *WaitError) Error() string {
	return "waited in vain for " + e.For + ": " + strings.Join(e.Missing, "; ")
}

// quiet returns how long nobody may have asked for a key.
func (r *Rotator) quiet() time.Duration {
	if r.Quiet > 0 {
		return r.Quiet
	}
	return quiet
}

// until waits for at most wait until nothing is missing, and looks once at least.
func (r *Rotator) until(ctx context.Context, wait time.Duration, what string, check func(context.Context) ([]string, error)) error {
	deadline := r.Now().Add(wait)
	said := false
	for {
		missing, err := check(ctx)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return nil
		}
		if r.Now().After(deadline) {
			return &WaitError{For: what, Missing: missing}
		}
		if !said {
			r.say("waiting for %s: %s", what, strings.Join(missing, "; "))
			said = true
		}
		if err := r.pass(ctx, r.Now().Add(r.quiet()/3)); err != nil {
			return err
		}
	}
}

// held waits until every running usher has a key, in a state if one is given.
func (r *Rotator) held(ctx context.Context, public string, state issuer.KeyState) error {
	return r.until(ctx, r.PickUp, "every usher to pick the key up", func(ctx context.Context) ([]string, error) {
		reports, err := r.Reports(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		if r.seen == nil {
			r.seen = map[string]sighting{}
			if len(reports) == 0 {
				r.say("no usher answers: there is nobody to wait for")
			}
		}
		now := r.Now()
		var missing []string
		for i := range reports {
			r.seen[reports[i].Instance] = sighting{reports[i].Name(), now}
			found := false
			for _, k := range reports[i].Keys {
				found = found || k.PublicKey == public && k.State != "" && (state == "" || k.State == state)
			}
			if !found {
				missing = append(missing, "usher "+reports[i].Name()+" does not have it")
			}
		}
		for _, last := range r.seen {
			if !last.at.Equal(now) && now.Sub(last.at) < goneFor {
				missing = append(missing, "usher "+last.name+" does not answer")
			}
		}
		return missing, nil
	})
}

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
		name := x.Server
		if name == "" {
			name = x.URL
		}
		switch key {
		case public:
			servers = append(servers, "server "+name+" expects it")
		case "":
			servers = append(servers, "server "+name+" does not say what it expects: "+x.Problem)
		}
	}
	return servers, nil
}

// Blockers says what depends on a key: nothing if it is safe to retire.
func (r *Rotator) Blockers(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	if e.State == issuer.StateActive {
		return []string{"it is active"}, nil
	}
	var blockers []string
	if r.Operator == nil {
		servers, err := r.expecting(ctx, e.Kind, e.PublicKey)
		if err != nil {
			return nil, err
		}
		blockers = append(blockers, servers...)
	} else if e.Kind == issuer.KindSigning {
		more, err := r.signed(ctx, s, e)
		if err != nil {
			return nil, err
		}
		blockers = append(blockers, more...)
	} else {
		more, err := r.sealed(ctx, s, e)
		if err != nil {
			return nil, err
		}
		blockers = append(blockers, more...)
	}
	return blockers, nil
}

// signed lists what a signing key of operator mode has signed that would fall with
// it: nats-server closes those connections.
func (r *Rotator) signed(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	a, err := account(s, e.Account)
	if err != nil {
		return nil, err
	}
	servers, err := r.Operator.Cluster.Servers(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := r.Operator.Cluster.Connections(ctx, a.PublicKey, servers)
	if err != nil {
		return nil, err
	}
	var blockers []string
	if n := counts[e.PublicKey]; n > 0 {
		blockers = append(blockers, fmt.Sprintf("%d connections in %s hold a user JWT that it has signed", n, e.Account))
	}
	if e.Account != r.Config.Callout {
		return blockers, nil
	}
	seen, err := r.Expecting(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range seen {
		if x.Sentinel == e.PublicKey {
			blockers = append(blockers, "it has signed the sentinel that "+x.Server+" takes")
		}
	}
	return blockers, nil
}

// sealed lists the servers that still go by an account JWT with this xkey.
func (r *Rotator) sealed(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	a, err := account(s, r.Config.Callout)
	if err != nil {
		return nil, err
	}
	servers, err := r.Operator.Cluster.Servers(ctx)
	if err != nil {
		return nil, err
	}
	claims, agree, err := r.current(ctx, a, servers)
	switch {
	case err != nil:
		return nil, err
	case claims.Authorization.XKey == e.PublicKey:
		return []string{"the JWT of " + a.Name + " names it"}, nil
	case !agree:
		return []string{"not every server has the newest JWT of " + a.Name}, nil
	}
	return nil, nil
}

// idle waits until nothing depends on a key and nobody has asked for it for a while,
// and returns what is in the way after Wait.
func (r *Rotator) idle(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	var used time.Time // when a use was last seen to have happened, by our clock
	last := map[string]time.Time{}
	first := true
	err := r.until(ctx, r.Wait, e.PublicKey+" to fall out of use", func(ctx context.Context) ([]string, error) {
		blockers, err := r.Blockers(ctx, s, e)
		if err != nil || len(blockers) > 0 {
			return blockers, err
		}
		reports, err := r.Reports(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		for i := range reports {
			for _, k := range reports[i].Keys {
				if k.PublicKey != e.PublicKey || k.Last == nil {
					continue
				}
				if !k.Last.Equal(last[reports[i].Instance]) {
					last[reports[i].Instance] = *k.Last
					used = r.Now()
				}
			}
		}
		if first {
			first, used = false, r.Now() // what was asked for a moment ago may still be on its way
		}
		if ago := r.Now().Sub(used); ago < r.quiet() {
			return []string{"it was in use a moment ago"}, nil
		}
		return nil, nil
	})
	var missing *WaitError
	if errors.As(err, &missing) {
		return missing.Missing, nil
	}
	return nil, err
}
