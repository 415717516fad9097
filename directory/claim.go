package directory

import (
	"slices"

	"usher/secret"
)

// claim gives names and keys to whom the entries give them, once all of them have
// been applied: two users that exchange a name do so in one change, in whatever
// order their entries come.
func (d *draft) claim() {
	for _, e := range d.users {
		d.turns.step()
		if e.there && !e.named {
			d.claimName(e)
		}
		if e.rekeyed {
			d.claimKeys(e)
		}
	}
	for _, p := range d.projects {
		if p.there && !p.named {
			d.claimProject(p)
		}
	}
}

func (d *draft) claimName(e *userEntry) {
	if d.s.named(e.user.Name) != nil {
		d.add(UserKey(e.id), "choose another name", "user "+secret.Name(e.user.Name)+" exists already")
		return
	}
	e.named = true
	d.s.names.put(d.e, hashName(e.user.Name), e, func(x *userEntry) bool { return x.id == e.id })
}

func (d *draft) claimKeys(e *userEntry) {
	e.rekeyed = false
	e.user.Keys = slices.DeleteFunc(e.user.Keys, func(k Key) bool {
		taken := d.index(e, &k)
		if taken {
			d.add(KeyKey(e.id, k.ID), "every key belongs to one user: make a new one", "this key is another user's already")
		}
		return taken
	})
}

func (d *draft) claimProject(p *projectEntry) {
	if d.s.projectCalled(p.project.Name) != nil {
		d.add(ProjectKey(p.id), "choose another name", "project "+secret.Name(p.project.Name)+" exists already")
		return
	}
	p.named = true
	d.s.called.put(d.e, hashName(p.project.Name), p, func(x *projectEntry) bool { return x.id == p.id })
}
