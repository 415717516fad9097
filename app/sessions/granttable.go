package sessions

import (
	"hash/maphash"
	"strings"
	"sync"
	"unique"

	"usher/directory"
	"usher/permissions"
)

// grantTable has each grant once.
type grantTable struct {
	seed     maphash.Seed
	mu       sync.RWMutex
	grants   map[uint64]*grant // by hash; those of one hash are a list
	heads    map[headKey]*head
	projects map[string]*project
}

func newGrantTable(seed maphash.Seed) *grantTable {
	return &grantTable{seed: seed, grants: map[uint64]*grant{}, heads: map[headKey]*head{}, projects: map[string]*project{}}
}

func (t *grantTable) hash(in *incoming) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	maphash.WriteComparable(&h, in.head)
	for i := range in.s.Grant.Rules {
		maphash.WriteComparable(&h, markedRule(in.s, i))
	}
	return h.Sum64()
}

// take returns the grant of a session, for one principal more.
func (t *grantTable) take(in *incoming) *grant {
	hash := t.hash(in)
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.grants[hash]
	for g != nil && !g.is(in) {
		g = g.next
	}
	if g == nil {
		g = t.add(in, hash)
	}
	g.users++
	return g
}

func (t *grantTable) add(in *incoming, hash uint64) *grant {
	g := &grant{head: t.takeHead(in), hash: hash, next: t.grants[hash], rules: make([]unique.Handle[permissions.Rule], len(in.s.Grant.Rules))}
	for i := range g.rules {
		g.rules[i] = unique.Make(markedRule(in.s, i))
	}
	t.grants[hash] = g
	return g
}

// takeHead copies the texts, which are of the memory of others.
func (t *grantTable) takeHead(in *incoming) *head {
	h := t.heads[in.head]
	if h == nil {
		k := in.head
		k.account, k.scope, k.inbox, k.types, k.tags = strings.Clone(k.account), strings.Clone(k.scope), strings.Clone(k.inbox), strings.Clone(k.types), strings.Clone(k.tags)
		h = &head{headKey: k, tags: split(k.tags)}
		for _, name := range split(k.types) {
			h.types = append(h.types, directory.ConnectionType(name))
		}
		for _, tag := range h.tags {
			if name, ok := strings.CutPrefix(tag, projectTag); ok {
				h.projects = append(h.projects, t.takeProject(name))
			}
		}
		t.heads[k] = h
	}
	h.grants++
	return h
}

func (t *grantTable) takeProject(name string) *project {
	p := t.projects[name]
	if p == nil {
		p = &project{name: name}
		t.projects[name] = p
	}
	p.heads++
	return p
}

// release is the inverse of take.
func (t *grantTable) release(g *grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.users--; g.users > 0 {
		return
	}
	if first := t.grants[g.hash]; first != g {
		for first.next != g {
			first = first.next
		}
		first.next = g.next
	} else if g.next != nil {
		t.grants[g.hash] = g.next
	} else {
		delete(t.grants, g.hash)
	}
	t.releaseHead(g.head)
}

func (t *grantTable) releaseHead(h *head) {
	if h.grants--; h.grants > 0 {
		return
	}
	delete(t.heads, h.headKey)
	for _, p := range h.projects {
		if p.heads--; p.heads == 0 {
			delete(t.projects, p.name)
		}
	}
}
