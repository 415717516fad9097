package activation

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apipush "usher/api/push"
	"usher/app/push/pushpb"
	"usher/directory"
)

// State implements push.States: it asks the push servers, first the one that the subscription
// prefers.
func (a *Activation) State(ctx context.Context, project *directory.Project, sub *directory.Subscription) (apipush.State, error) {
	if !pushed(sub) {
		return apipush.State{Status: apipush.StatusUnverified}, nil
	}
	var failed error
	name := fullName(project.Name, sub.Name)
	for _, s := range order(a.servers, name) {
		text, err := s.status(ctx, name)
		switch {
		case err == nil:
			return parse(s.Name, name, text), nil
		case status.Code(err) != codes.NotFound:
			failed = err
		}
	}
	if failed != nil {
		return apipush.State{}, errServer
	}
	return apipush.State{Status: apipush.StatusInactive}, nil
}

// parse reads a status as AMS's push server writes it: "Subscription S is currently active",
// or "TIME - WHAT, detail". The detail may have parts of an address, and is dropped.
func parse(worker, name, text string) apipush.State {
	if text == (apipush.State{Status: apipush.StatusActive}).Text(name) {
		return apipush.State{Worker: worker, Status: apipush.StatusActive}
	}
	state := apipush.State{Worker: worker, Status: apipush.StatusRetrying, LastError: "the push server reports an error"}
	at, what, ok := strings.Cut(text, " - ")
	if !ok {
		return state
	}
	what, _, _ = strings.Cut(what, ",")
	if slices.Contains([]string{"Could not consume message", "Could not send message", "Could not acknowledge message"}, what) {
		state.LastError = what
	}
	state.Since, _ = time.Parse(apipush.TextTime, at) // zero: the server does not say
	return state
}

// Workers implements push.States.
func (a *Activation) Workers(context.Context) ([]string, error) { return a.names(), nil }

// Health is the state of a push server, as AMS shows it.
type Health struct{ Endpoint, Status string }

// healthAge is how long an answer of Health is used: anybody can ask the API for it.
const healthAge = 5 * time.Second

// Health asks each push server whether it works, in the words of AMS.
func (a *Activation) Health(ctx context.Context) []Health {
	a.asking.Lock()
	defer a.asking.Unlock()
	if now := a.cfg.Now(); a.health == nil || now.Sub(a.asked) >= healthAge {
		a.health, a.asked = a.askHealth(ctx), now
	}
	return slices.Clone(a.health)
}

func (a *Activation) askHealth(ctx context.Context) []Health {
	out := make([]Health, len(a.servers))
	index := make([]int, len(a.servers))
	for i := range index {
		index[i] = i
	}
	each(index, func(i int) {
		s := a.servers[i]
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		out[i] = Health{Endpoint: s.Address, Status: "SERVING"}
		if _, err := s.client.Status(ctx, &pushpb.StatusRequest{}); err != nil {
			out[i].Status = apipush.Unavailable
		}
	})
	return out
}
