package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/issuer/operator"
)

const interestCheck = "gateway interest"

// checkInterest checks whether events of supervisors arrive at somebody. It publishes
// nothing: servers know which subscriptions a message would reach.
func (s *State) checkInterest(f *finding.List, cfg *config.Config) {
	if s.subscribers == nil {
		return
	}
	account := cfg.Accounts.Ingest
	var readers []string
	sound := true
	for _, reader := range s.servers {
		subs := s.subscribers[reader.ID]
		if len(subs) == 0 {
			continue
		}
		readers = append(readers, fmt.Sprintf("%s (%s)", reader.Name, subjects(subs)))
		for _, from := range s.servers {
			if s.of(from) != "" && s.of(reader) != "" && s.of(from) != s.of(reader) && !s.crosses(from, s.of(reader)) {
				sound = false
				f.Fail(fault.Runtime, interestCheck, account, "both servers must have the account with the same name, imports and exports; restart the one that was changed last",
					"%s does not send events to gateway %s, where %s has %s", from.Name, s.of(reader), reader.Name, subjects(subs))
			}
		}
	}
	sound = s.checkShares(f, account) && sound
	switch {
	case len(readers) == 0 && s.allAnswer(cfg):
		f.Warn(interestCheck, account, "start the service that reads events, such as applications-service; it subscribes to habitat.event.>",
			"nobody on any server subscribes to %s: events of supervisors are lost", event)
	case sound && len(readers) > 0:
		f.OK(interestCheck, account, "%s arrives at %s", event, strings.Join(readers, ", "))
	}
}

// checkShares checks that the account has the same exports and imports on every server, and
// reports whether it does.
func (s *State) checkShares(f *finding.List, account string) bool {
	sound := true
	for i, a := range s.servers {
		for _, b := range s.servers[i+1:] {
			mine, here := s.shares[a.ID]
			theirs, there := s.shares[b.ID]
			if here && there && !slices.Equal(mine, theirs) {
				sound = false
				f.Fail(fault.Config, interestCheck, account, "give the account the same exports and imports in the configuration of both, and reload them",
					"differs: on %s it %s; on %s it %s", a.Name, without(mine, theirs), b.Name, without(theirs, mine))
			}
		}
	}
	return sound
}

// without lists what is in one list and not in the other.
func without(list, other []string) string {
	only := slices.DeleteFunc(slices.Clone(list), func(x string) bool { return slices.Contains(other, x) })
	return cmp.Or(strings.Join(only, ", "), "has nothing more")
}

// crosses reports whether a server sends events to another gateway, or does not say.
func (s *State) crosses(from operator.Server, to string) bool {
	g := s.gateways[from.ID]
	if g == nil || g.Outbound[to] == nil {
		return true // the missing connection is another finding
	}
	for _, a := range g.Outbound[to].Accounts {
		if a.InterestMode != operator.InterestOnly || a.Subscriptions > 0 {
			return true
		}
	}
	return false
}

// subjects describes subscriptions, such as "habitat.event.> of EVENTS, queue automate".
func subjects(subs []operator.Subscription) string {
	const most = 3
	words := map[string]bool{}
	for _, x := range subs {
		queue := ""
		if x.Queue != "" {
			queue = ", queue " + x.Queue
		}
		words[fmt.Sprintf("%s of %s%s", x.Subject, cmp.Or(x.Account, "its account"), queue)] = true
	}
	all := slices.Sorted(maps.Keys(words))
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return strings.Join(all, "; ")
}
