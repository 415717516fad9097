package messages

import (
	"sync"

	"usher/api/rest"
	"usher/directory"
)

// Limits bound how many requests are in progress. A push_worker, which works for every
// project with one key, is bound by those of projects alone.
type Limits struct {
	KeyRequests, ProjectRequests int // that publish, pull or acknowledge
	KeyPolls, ProjectPolls       int // pulls that wait for a message
}

func (l *Limits) setDefaults() {
	for _, field := range []struct {
		value *int
		usual int
	}{{&l.KeyRequests, 256}, {&l.ProjectRequests, 1024}, {&l.KeyPolls, 256}, {&l.ProjectPolls, 1024}} {
		if *field.value <= 0 {
			*field.value = field.usual
		}
	}
}

// gate bounds how many requests are in progress, of one key and of one project.
type gate struct {
	perKey, perProject int

	mu    sync.Mutex
	count map[string]int
}

func newGate(perKey, perProject int) *gate {
	return &gate{perKey: perKey, perProject: perProject, count: map[string]int{}}
}

// enter counts a request. ok is false if there are too many already; else leave ends it.
func (g *gate) enter(r *rest.Request) (leave func(), ok bool) {
	project := "project " + r.Var(rest.VarProject)
	key := "key " + r.Caller.Name + " " + r.Identity.KeyID
	if r.HasServiceRole(directory.ServiceRolePushWorker) {
		key = ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count[project] >= g.perProject || key != "" && g.count[key] >= g.perKey {
		return nil, false
	}
	for _, name := range []string{project, key} {
		if name != "" {
			g.count[name]++
		}
	}
	return func() { g.leave(project, key) }, true
}

func (g *gate) leave(names ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range names {
		if name == "" {
			continue
		}
		if g.count[name]--; g.count[name] <= 0 {
			delete(g.count, name)
		}
	}
}
