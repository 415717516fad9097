package sessions

import (
	"slices"
	"time"

	"usher/callout/session"
	"usher/permissions"
)

// matching yields the records of the sessions that f selects. It reads only the shard of the
// user, if f names one.
func (r *Registry) matching(f *Filter, yield func(*record) bool) {
	m := matcher{registry: r, whole: *f, filter: *f}
	m.filter.Subject, m.filter.Project, m.filter.Rule, m.filter.EndsBy = "", "", "", time.Time{}
	if f.User == "" {
		for i := range r.shards {
			if !r.shards[i].scan(func(rec *record) bool { return !m.match(rec) || yield(rec) }) {
				return
			}
		}
		return
	}
	n, tag := r.userShard(f.User)
	r.shards[n].scan(func(rec *record) bool { return rec.tag != tag || !m.match(rec) || yield(rec) })
}

// matcher matches records without making sessions of them. It looks at the subjects of a
// principal once.
type matcher struct {
	registry *Registry
	whole    Filter
	filter   Filter // what record.show is enough for
	concerns map[*principal]bool
	shown    session.Session
}

func (m *matcher) match(rec *record) bool {
	who := rec.who
	if m.whole.Project != "" && !who.grant.head.in(m.whole.Project) && (who.detail == nil || who.detail.selection.Project != m.whole.Project) {
		return false
	}
	if m.whole.Rule != "" && !slices.Contains(split(who.kind.Value().rules), m.whole.Rule) {
		return false
	}
	if !m.filter.IsZero() {
		m.shown = session.Session{}
		if rec.show(&m.shown); !m.filter.Match(&m.shown) {
			return false
		}
	}
	return (m.whole.EndsBy.IsZero() || m.endsBy(rec)) && (m.whole.Subject == "" || m.matchSubject(who))
}

func (m *matcher) endsBy(rec *record) bool {
	s := session.Session{Closes: m.registry.closesAt(rec.id())}
	rec.show(&s)
	return m.whole.matchEnd(&s)
}

func (m *matcher) matchSubject(p *principal) bool {
	does, known := m.concerns[p]
	if !known {
		var g permissions.Grant
		p.grant.complete(&g, p)
		if does = concerns(&g, m.whole.Subject); m.concerns == nil {
			m.concerns = map[*principal]bool{}
		}
		m.concerns[p] = does
	}
	return does
}
