package sessions

import (
	"net/netip"

	"usher/callout/session"
)

// projectTag begins the tag of a grant that names a project.
const projectTag = "project:"

// Groups yields the sessions of some users, or with nil of all, in groups: one session, and
// the IDs of all that are like it. Their credential, identity, rules, grant, connection
// types, MQTT client id and address are equal, so that what is decided about one of them
// holds for all. Server, client, request and times may differ, and the revision too.
// As with Matching, each session that is there all the time is in one group.
func (r *Registry) Groups(users []string, yield func(one *session.Session, all []session.ID) bool) {
	var wanted [shardCount]map[string]bool
	for _, user := range users {
		n, _ := r.userShard(user)
		if wanted[n] == nil {
			wanted[n] = map[string]bool{}
		}
		wanted[n][user] = true
	}
	for i := range r.shards {
		if users != nil && wanted[i] == nil {
			continue
		}
		for _, g := range r.shards[i].groups(wanted[i]) {
			if !yield(r.session(&g.one), g.ids) {
				return
			}
		}
	}
}

// group is the sessions that are alike.
type group struct {
	one record
	ids []session.ID
}

// groupKey is equal for sessions of one group.
type groupKey struct {
	who         *principal
	types, mqtt string
	addr        netip.Addr
}

// groups returns the groups of users, or with nil of all.
func (sh *shard) groups(users map[string]bool) map[groupKey]*group {
	groups := map[groupKey]*group{}
	sh.scan(func(rec *record) bool {
		if users != nil && !users[rec.who.name()] {
			return true
		}
		key := groupKey{rec.who, rec.peer.Value().types, rec.mqtt(), rec.address()}
		g := groups[key]
		if g == nil {
			g = &group{one: *rec}
			groups[key] = g
		}
		g.ids = append(g.ids, rec.id())
		return true
	})
	return groups
}
