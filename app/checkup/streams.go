package checkup

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"usher/internal/plural"

	"usher/app/checkup/finding"
	"usher/app/checkup/projectstreams"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/operator"
	"usher/permissions"
)

// checkProjectStreams finds streams of projects whose options let a publisher exceed its
// ACLs with a header (docs/explanation/isolation.md, Headers that act). It ignores streams
// without a topic of a project: no client of usher publishes to them.
func checkProjectStreams(f *finding.List, cfg *config.Config, keys *issuer.Keyring, s *snapshot.Snapshot, v *systemView) {
	const check = "streams"
	if s == nil {
		return // the directory cannot be read, which is reported
	}
	if v == nil {
		f.Warn(check, "", streamsHint(cfg), "cannot ask the servers for the streams of projects, so whether headers exceed the ACLs is unknown (docs/explanation/isolation.md, Headers that act)")
		return
	}
	topics := map[string][]string{} // subjects of projects, by the account's name on the servers
	names := map[string]string{}    // the account's name in the directory, by its name on the servers
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
	projectstreams.Check(f, cfg, s, func(account string) []operator.Stream {
		if a, ok := keys.Account(account); ok {
			account = cmp.Or(a.PublicKey, account)
		}
		return v.streams[account]
	})
	checked, sound := 0, true
	for _, id := range slices.Sorted(maps.Keys(topics)) {
		streams := v.streams[id]
		slices.SortFunc(streams, func(a, b operator.Stream) int { return strings.Compare(a.Name, b.Name) })
		for _, stream := range streams {
			if !capturesAny(&stream, topics[id]) {
				continue
			}
			checked++
			sound = !checkStream(f, names[id]+": "+stream.Name, &stream) && sound
		}
	}
	if sound {
		f.OK(check, "", "%s of projects checked: in none can a header exceed the ACLs of its publisher", plural.Count(checked, "stream"))
	}
}

// streamsHint says why the servers cannot be asked for streams. If a system user is
// configured, another finding has the cause.
func streamsHint(cfg *config.Config) string {
	switch {
	case cfg.NATS.Mode == config.ModeOperator && cfg.Operator.SystemCredsFile == "":
		return "set operator.system_creds_file to the credentials of a user of " + cfg.Accounts.System
	case cfg.NATS.Mode == config.ModeOperator:
		return "the resolver finding gives the cause"
	case cfg.NATS.SystemPasswordFile == "" && cfg.NATS.SystemNKeyFile == "":
		return "give usher check a user of the system account (docs/how-to/system-user.md)"
	default:
		return "the system user finding gives the cause"
	}
}

// capturesAny reports whether a stream captures one of these subjects.
func capturesAny(s *operator.Stream, subjects []string) bool {
	return slices.ContainsFunc(s.Subjects, func(captured string) bool {
		return slices.ContainsFunc(subjects, func(topic string) bool { return permissions.Overlaps(captured, topic) })
	})
}

// checkStream warns of the options of a stream with which headers act, and reports whether
// it has any.
func checkStream(f *finding.List, where string, s *operator.Stream) bool {
	const check = "streams"
	if s.Rollup {
		f.Warn(check, where, "turn it off with nats stream edit if publishers do not need it; or give each topic its own stream",
			"allow_rollup_hdrs is on: a client that may publish to one topic can delete all messages of the stream (Nats-Rollup: all)")
	}
	if s.Schedule {
		f.Warn(check, where, "it cannot be turned off: create the stream again without it, or give each topic its own stream",
			"allow_msg_schedules is on: a client that may publish to one topic can publish to every subject of the stream (Nats-Schedule-Target)")
	}
	return s.Rollup || s.Schedule
}
