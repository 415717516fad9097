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
// of all. A bound of 0 is none. Of what an address and all together may have, a project gets at
// most as much as is still free, as in package budget: alone it gets half.
type gate struct {
	perKey, perProject, perHost, total int

	mu    sync.Mutex
	count map[string]int
}

func newGate(perKey, perProject, perHost, total int) *gate {
	return &gate{perKey: perKey, perProject: perProject, perHost: perHost, total: total, count: map[string]int{}}
}

// bound is one of the bounds of a request. The counts are those of name, and of the part of it
// that is the project's; empty: it has no part.
type bound struct {
	name, part string
	most       int
}

// enter counts a request. ok is false if there are too many already; else leave ends it.
func (g *gate) enter(r *rest.Request) (leave func(), ok bool) {
	project := "project " + r.Var(rest.VarProject)
	bounds := []bound{{project, "", g.perProject}}
	if !r.HasServiceRole(directory.ServiceRolePushWorker) {
		host := "host " + r.Host()
		bounds = append(bounds, bound{"key " + r.Caller.Name + " " + r.Identity.KeyID, "", g.perKey},
			bound{host, host + " " + project, g.perHost}, bound{"all", "all " + project, g.total})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range bounds {
		free := b.most - g.count[b.name]
		if b.most > 0 && (free <= 0 || b.part != "" && g.count[b.part] >= free) {
			return nil, false
		}
	}
	g.add(bounds, 1)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.add(bounds, -1)
	}, true
}

// add changes the counts of bounds. The caller holds mu.
func (g *gate) add(bounds []bound, n int) {
	for _, b := range bounds {
		for _, name := range []string{b.name, b.part} {
			if name == "" {
				continue
			}
			if g.count[name] += n; g.count[name] <= 0 {
				delete(g.count, name)
			}
		}
	}
}
