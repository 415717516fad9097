package transfer

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"usher/directory"
)

// project completes a project with what it keeps.
func (t *target) project(p *directory.Project) {
	record, known := t.current.Record(p.ID)
	if !known {
		t.projectsBefore = append(t.projectsBefore, nil)
		p.Made = t.timestamps(p.Made, directory.Made{Created: t.o.Now, Modified: t.o.Now, By: t.o.By})
		record = directory.Project{}
	} else {
		t.projectsBefore = append(t.projectsBefore, &record)
		stated := p.Made.Modified
		p.Made = t.timestamps(p.Made, record.Made)
		if stated.IsZero() && !sameProject(p, &record) {
			p.Made.Modified = t.o.Now
		}
	}
	p.Members = t.members(p.Members, record.Members)
	p.Topics = complete(t, p.Topics, record.Topics, topicResource)
	p.Subscriptions = complete(t, p.Subscriptions, record.Subscriptions, subscriptionResource)
	keepPush(p.Subscriptions, record.Subscriptions)
	t.seal(p, record.Subscriptions)
}

// errNoSeal: a header in clear is never stored.
var errNoSeal = errors.New("authorization headers in clear cannot be sealed here")

// seal seals the headers that the records have in clear.
func (t *target) seal(p *directory.Project, old []directory.Subscription) {
	for i := range p.Subscriptions {
		s := &p.Subscriptions[i]
		if s.Push == nil || s.Push.Authorization == nil || s.Push.Authorization.Header == "" || len(s.Push.Authorization.Sealed) > 0 {
			continue // both are a problem, which the check of the records reports
		}
		if t.o.Seal == nil {
			t.sealing = errNoSeal
			return
		}
		var was *directory.PushAuthorization
		if j := slices.IndexFunc(old, func(o directory.Subscription) bool { return o.Name == s.Name }); j >= 0 && old[j].Push != nil {
			was = old[j].Push.Authorization
		}
		authorization, err := t.o.Seal(p, s.Name, s.Push.Authorization.Header, was)
		if err != nil {
			t.sealing = err
			return
		}
		push := *s.Push
		push.Authorization, s.Push = authorization, &push
	}
}

// keepPush keeps how an endpoint is verified and its header, if a subscription states neither
// and has the endpoint that it had.
func keepPush(list, old []directory.Subscription) {
	before := make(map[string]*directory.Push, len(old))
	for i := range old {
		before[old[i].Name] = old[i].Push
	}
	for i := range list {
		p, was := list[i].Push, before[list[i].Name]
		if p == nil || was == nil || p.VerificationHash != "" || p.Authorization != nil || p.Type != was.Type || p.Address() != was.Address() {
			continue
		}
		kept := *p
		kept.VerificationHash, kept.Verified, kept.Authorization = was.VerificationHash, was.Verified, was.Authorization
		list[i].Push = &kept
	}
}

func (t *target) members(members, old []directory.Member) []directory.Member {
	all := slices.Clone(members)
	if t.o.Replace || len(old) == 0 {
		return all
	}
	named := make(map[uuid.UUID]bool, len(all))
	for i := range all {
		if id, ok := t.idAfter(all[i].User); ok {
			named[id] = true
		}
	}
	for _, m := range old {
		if id, ok := t.idBefore(m.User); ok && !named[id] {
			all = append(all, directory.Member{User: t.nameAfter(m.User), Roles: m.Roles})
		}
	}
	return all
}

// complete completes the topics or subscriptions of a project.
func complete[T any](t *target, list, old []T, parts func(*T) resource) []T {
	all := slices.Clone(list)
	known := make(map[string]*T, len(old))
	for i := range old {
		known[parts(&old[i]).name] = &old[i]
	}
	for i := range all {
		r := parts(&all[i])
		before, ok := known[r.name]
		if !ok {
			*r.created = orTime(*r.created, t.o.Now)
			continue
		}
		was := parts(before)
		delete(known, r.name)
		*r.created = orTime(*r.created, *was.created)
		if *r.acl == nil && !t.o.Replace {
			*r.acl = t.namesAfter(*was.acl)
		}
	}
	if t.o.Replace {
		return all
	}
	for i := range old {
		if r := parts(&old[i]); known[r.name] != nil {
			stays := old[i]
			s := parts(&stays)
			*s.acl = t.namesAfter(*r.acl)
			all = append(all, stays)
		}
	}
	return all
}
