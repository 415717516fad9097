package messages

import (
	"sync"

	"usher/api/rest"
	"usher/directory"
)

// Limits bound how many requests are in progress. A push_worker, which works for every
// project with one key, is bound by those of projects alone. The usual ones leave half of the
// connections of the listener to others: it takes 1,024, and 256 from one address, which can be
// that of a proxy before all clients.
type Limits struct {
	KeyRequests, ProjectRequests int // that publish, pull or acknowledge
	KeyPolls, ProjectPolls       int // pulls that wait for a message
	HostPolls, Polls             int // of one address, and of all
}

func (l *Limits) setDefaults() {
	for _, field := range []struct {
		value *int
		usual int
	}{
		{&l.KeyRequests, 128},
		{&l.ProjectRequests, 512},
		{&l.KeyPolls, 64},
		{&l.ProjectPolls, 256},
		{&l.HostPolls, 128},
		{&l.Polls, 512},
	} {
		if *field.value <= 0 {
			*field.value = field.usual
		}
	}
}

// gate bounds how many requests are in progress, of one key, of one project, of one address and
// of all. A bound of 0 is none.
type gate struct {
	perKey, perProject, perHost, total int

	mu    sync.Mutex
	count map[string]int
}

func newGate(perKey, perProject, perHost, total int) *gate {
	return &gate{perKey: perKey, perProject: perProject, perHost: perHost, total: total, count: map[string]int{}}
}

// enter counts a request. ok is false if there are too many already; else leave ends it.
func (g *gate) enter(r *rest.Request) (leave func(), ok bool) {
	bounds := map[string]int{"project " + r.Var(rest.VarProject): g.perProject}
	if !r.HasServiceRole(directory.ServiceRolePushWorker) {
		bounds["key "+r.Caller.Name+" "+r.Identity.KeyID] = g.perKey
		bounds["host "+r.Host()] = g.perHost
		bounds["all"] = g.total
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, bound := range bounds {
		if bound > 0 && g.count[name] >= bound {
			return nil, false
		}
	}
	for name := range bounds {
		g.count[name]++
	}
	return func() { g.leave(bounds) }, true
}

func (g *gate) leave(bounds map[string]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name := range bounds {
		if g.count[name]--; g.count[name] <= 0 {
			delete(g.count, name)
		}
	}
}
