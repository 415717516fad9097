package transfer

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"usher/directory"
)

// Lines yields the changes as text for people: "+ user alice (2 keys)", "~ topic
// shop/orders: acl +carl -pia", "- project lab (3 topics, 1 subscription)".
// Users come first, then bans, then projects with what belongs to them, sorted by name.
func (p *Plan) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range p.users {
			if !yield(userLine(&p.users[i])) {
				return
			}
		}
		for i := range p.bans {
			if !yield(p.banLine(&p.bans[i])) {
				return
			}
		}
		for i := range p.projects {
			for _, line := range p.projectLines(&p.projects[i]) {
				if !yield(line) {
					return
				}
			}
		}
	}
}

func userLine(p *pair[directory.User]) string {
	switch was, now := p.before, p.after; {
	case was == nil:
		return "+ user " + now.Name + sizes(number(len(now.Keys), "key"), list("", now.ServiceRoles))
	case now == nil:
		return "- user " + was.Name + sizes(number(len(was.Keys), "key"))
	default:
		var d details
		d.text("name", was.Name, now.Name)
		d.enabled(was.Disabled, now.Disabled)
		d.set("service_roles", words(was.ServiceRoles), words(now.ServiceRoles))
		d.set("connection_types", words(was.Limits.ConnectionTypes), words(now.Limits.ConnectionTypes))
		d.addIf("profile", !sameProfile(was.Profile, now.Profile))
		d.made(was.Made, now.Made)
		d.keys(was.Keys, now.Keys)
		return "~ user " + now.Name + d.String()
	}
}

func (p *Plan) projectLines(in *pair[directory.Project]) []string {
	was, now := in.before, in.after
	if was == nil {
		return []string{"+ project " + now.Name + sizes("account "+now.Account, number(len(now.Members), "member"),
			number(len(now.Topics), "topic"), number(len(now.Subscriptions), "subscription"))}
	}
	if now == nil {
		return []string{"- project " + was.Name + sizes(number(len(was.Members), "member"),
			number(len(was.Topics), "topic"), number(len(was.Subscriptions), "subscription"))}
	}
	var lines []string
	var d details
	d.text("name", was.Name, now.Name)
	d.text("account", was.Account, now.Account)
	d.addIf("description", was.Description != now.Description)
	d.made(was.Made, now.Made)
	if len(d) > 0 {
		lines = append(lines, "~ project "+now.Name+d.String())
	}
	lines = append(lines, p.memberLines(was, now)...)
	lines = append(lines, resourceLines(p, "topic", was, now, was.Topics, now.Topics, topicResource, func(d *details, x, y *directory.Topic) {
		d.text("subject", subject(was, x), subject(now, y))
		d.addIf("created_on", !x.Created.Equal(y.Created))
	})...)
	return append(lines, resourceLines(p, "subscription", was, now, was.Subscriptions, now.Subscriptions, subscriptionResource, func(d *details, x, y *directory.Subscription) {
		d.text("topic", x.Topic, y.Topic)
		d.text("ack_deadline", fmt.Sprint(x.AckDeadline), fmt.Sprint(y.AckDeadline))
		d.addIf("push", !x.Push.Same(y.Push))
		d.addIf("created_on", !x.Created.Equal(y.Created))
	})...)
}

func (p *Plan) memberLines(was, now *directory.Project) []string {
	type roles struct {
		name          string
		before, after []directory.Role
	}
	all := map[string]*roles{}
	of := func(name string, names idLookup) *roles {
		id, _ := names(name)
		r := all[id.String()]
		if r == nil {
			r = &roles{}
			all[id.String()] = r
		}
		r.name = name
		return r
	}
	for _, m := range was.Members {
		of(m.User, p.idBefore).before = m.Roles
	}
	for _, m := range now.Members {
		of(m.User, p.idAfter).after = m.Roles
	}
	var lines []string
	for _, r := range all {
		name := now.Name + "/" + r.name
		switch {
		case r.before == nil:
			lines = append(lines, "+ member "+name+sizes(list("", r.after)))
		case r.after == nil:
			lines = append(lines, "- member "+name)
		case !sameSet(r.before, r.after):
			var d details
			d.set("roles", words(r.before), words(r.after))
			lines = append(lines, "~ member "+name+d.String())
		}
	}
	slices.SortFunc(lines, func(x, y string) int { return strings.Compare(x[1:], y[1:]) })
	return lines
}

func resourceLines[T any](p *Plan, kind string, was, now *directory.Project, before, after []T, parts func(*T) resource, differ func(d *details, x, y *T)) []string {
	known := make(map[string]*T, len(before))
	for i := range before {
		known[parts(&before[i]).name] = &before[i]
	}
	var lines []string
	for i := range after {
		r := parts(&after[i])
		old := known[r.name]
		delete(known, r.name)
		if old == nil {
			lines = append(lines, "+ "+kind+" "+now.Name+"/"+r.name+sizes(list("acl ", *r.acl)))
			continue
		}
		var d details
		differ(&d, old, &after[i])
		d.set("acl", p.known(*parts(old).acl, p.idBefore), p.known(*r.acl, p.idAfter))
		if len(d) > 0 {
			lines = append(lines, "~ "+kind+" "+now.Name+"/"+r.name+d.String())
		}
	}
	for name := range known {
		lines = append(lines, "- "+kind+" "+was.Name+"/"+name)
	}
	slices.SortFunc(lines, func(x, y string) int { return strings.Compare(x[1:], y[1:]) })
	return lines
}

// known returns the names of users after the change, or before if they are removed.
func (p *Plan) known(names []string, of idLookup) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		if id, ok := of(name); ok && p.names[id] != "" {
			name = p.names[id]
		}
		all = append(all, name)
	}
	return all
}
