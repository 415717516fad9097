package transfer

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"usher/directory"
)

// identifyBans resolves the users of bans, and gives ids to those that state none: the id of
// the ban of the same target that there is now, or one derived from the target.
func (t *target) identifyBans() {
	byTarget := map[directory.BanTarget]string{}
	for b := range t.current.Bans().All() {
		byTarget[b.Target] = b.ID
	}
	for i := range t.records.Bans {
		b := &t.records.Bans[i]
		if b.User != "" {
			b.Target.User, _ = t.idAfter(b.User)
		}
		b.ID = cmp.Or(b.ID, byTarget[b.Target], b.Target.DefaultID())
	}
}

// bans returns the bans that the records state, and with Options.Replace those that they do
// not name. Records that say nothing of bans leave all of them: they are set by others than
// those who write the directory.
func (t *target) bans() []pair[directory.Ban] {
	named := make(map[string]bool, len(t.records.Bans))
	all := make([]pair[directory.Ban], 0, len(t.records.Bans))
	for i := range t.records.Bans {
		b := &t.records.Bans[i]
		named[b.ID] = true
		was, known := t.current.Bans().Find(b.ID)
		switch {
		case known:
			b.Created, b.By = orTime(b.Created, was.Created), cmp.Or(b.By, was.By)
		case b.InForce(t.o.Now):
			b.Created, b.By = orTime(b.Created, t.o.Now), cmp.Or(b.By, t.importer())
		}
		all = append(all, pair[directory.Ban]{was, b})
	}
	if !t.o.Replace || t.records.Bans == nil {
		return all
	}
	for b := range t.current.Bans().All() {
		if !named[b.ID] {
			all = append(all, pair[directory.Ban]{before: b})
		}
	}
	return all
}

// importer returns the name of the importing user.
func (t *target) importer() string {
	if u, ok := t.current.UserByID(t.o.By); ok && t.o.By != uuid.Nil {
		return u.Name
	}
	return ""
}

func banID(b *directory.Ban) string { return b.ID }

// ban adds the change of a ban. It reports whether there is one.
func (d *differ) ban(p *pair[directory.Ban]) bool {
	if p.before != nil && p.after != nil && sameBan(p.before, p.after) {
		return false
	}
	e := removal(directory.BanKey(p.either().ID))
	if p.after != nil {
		e.Value = p.after
	}
	d.bans = append(d.bans, e)
	d.count(directory.KindBan, p.before != nil, p.after != nil)
	return true
}

func sameBan(x, y *directory.Ban) bool {
	return x.Target == y.Target && x.Reason == y.Reason && x.By == y.By &&
		x.IssuedBefore.Equal(y.IssuedBefore) && x.Created.Equal(y.Created) && x.Until.Equal(y.Until)
}

func (p *Plan) banLine(in *pair[directory.Ban]) string {
	target := func(b *directory.Ban) string {
		user := b.User
		if user == "" {
			user = b.Target.User.String()
			if u, ok := p.current.UserByID(b.Target.User); ok {
				user = cmp.Or(p.names[u.ID], u.Name)
			}
		}
		return b.Target.Text(user)
	}
	switch was, now := in.before, in.after; {
	case was == nil:
		return "+ ban " + now.ID + sizes(target(now), "until "+now.Until.UTC().Format(time.RFC3339))
	case now == nil:
		return "- ban " + was.ID + sizes(target(was))
	default:
		var d details
		d.text("target", target(was), target(now))
		d.text("until", was.Until.UTC().Format(time.RFC3339), now.Until.UTC().Format(time.RFC3339))
		d.addIf("reason", was.Reason != now.Reason)
		d.addIf("issued_before", !was.IssuedBefore.Equal(now.IssuedBefore))
		d.addIf("by", was.By != now.By)
		d.addIf("created_on", !was.Created.Equal(now.Created))
		return "~ ban " + now.ID + d.String()
	}
}
