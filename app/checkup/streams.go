package checkup

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"usher/internal/plural"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/operator"
	"usher/permissions"
)

// checkStreamsOfProjects finds streams whose options let a publisher reach beyond the
// subjects that it may publish to, by a header (docs/explanation/isolation.md, Headers that
// act). Those that hold no topic of a project are nobody's who comes by usher.
func checkStreamsOfProjects(f *finding.List, cfg *config.Config, keys *issuer.Keyring, s *snapshot.Snapshot, v *systemView) {
	const check = "streams"
	if s == nil {
		return // that the directory cannot be read is said
	}
	if v == nil {
		hint := "usher check as a user of the system account (docs/how-to/system-user.md)"
		if cfg.NATS.Mode == config.ModeOperator {
			hint = "set operator.system_creds_file to the credentials of a user of " + cfg.Accounts.System
		}
		f.Warn(check, "", hint, "the servers cannot be asked for the streams of projects: what a publisher reaches by a header is not known (docs/explanation/isolation.md, Headers that act)")
		return
	}
	topics := map[string][]string{} // by the account as servers call it: what its projects have
	names := map[string]string{}    // and as the directory calls it
	for p := range s.Projects() {
		id := p.Account
		if a, ok := keys.Account(p.Account); ok {
			id = cmp.Or(a.PublicKey, id)
		}
		names[id] = p.Account
		topics[id] = append(topics[id], p.Name+".>")
		for i := range p.Topics {
			topics[id] = append(topics[id], p.Topics[i].Subject)
		}
	}
	held, sound := 0, true
	for _, id := range slices.Sorted(maps.Keys(topics)) {
		streams := v.streams[id]
		slices.SortFunc(streams, func(a, b operator.Stream) int { return strings.Compare(a.Name, b.Name) })
		for _, stream := range streams {
			if !holdsOne(&stream, topics[id]) {
				continue
			}
			held++
			sound = !checkStream(f, names[id]+": "+stream.Name, &stream) && sound
		}
	}
	if sound {
		f.OK(check, "", "%s of projects: in none does a header reach beyond what its publisher may publish to", plural.Count(held, "stream"))
	}
}

// holdsOne reports whether a stream captures one of these subjects.
func holdsOne(s *operator.Stream, subjects []string) bool {
	return slices.ContainsFunc(s.Subjects, func(captured string) bool {
		return slices.ContainsFunc(subjects, func(topic string) bool { return permissions.Overlaps(captured, topic) })
	})
}

// checkStream says what a header does in a stream, and reports whether it does anything.
func checkStream(f *finding.List, where string, s *operator.Stream) bool {
	const check = "streams"
	if s.Rollup {
		f.Warn(check, where, "turn it off with nats stream edit, if its publishers do without; or give topics whose publishers may not delete each other's messages a stream each",
			"allow_rollup_hdrs is on: whoever may publish to one of its topics deletes all of its messages, with Nats-Rollup: all")
	}
	if s.Schedule {
		f.Warn(check, where, "it cannot be turned off: make the stream anew without it, or give topics with other publishers a stream of their own",
			"allow_msg_schedules is on: whoever may publish to one of its topics publishes to every subject of the stream, with Nats-Schedule-Target")
	}
	return s.Rollup || s.Schedule
}
