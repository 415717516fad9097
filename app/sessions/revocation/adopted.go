package revocation

import (
	"iter"
	"math"
	"slices"
	"strings"

	"usher/callout"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/health"
	"usher/tokens/service"

	"github.com/nats-io/nkeys"
)

// Why nothing can be decided about an adopted session, whatever the directory says.
const (
	undecidedAccount  = "its account is not one of usher's"
	undecidedName     = "its name is not that of a user, and nobody knows the identity"
	undecidedUser     = "the user is not in the directory, and the entry of a user cannot be read"
	undecidedLeafNode = "the entry of a project cannot be read, which may be in the account of the leaf node"
)

// decideAdopted decides about a session of which only the user, the account and perhaps the
// selection are known. It is closed if the user gets nothing in that account, or if what the
// user gets there has become less between two directories: its grant was no more than that.
func (e *Engine) decideAdopted(s *session.Session, before, snap *snapshot.Snapshot) verdict {
	name := s.Identity.Name
	u, ok := snap.User(name)
	if err := e.bannedAdopted(s, u, snap); err != nil {
		return verdict{cause: tokens.CodeBanned, what: err.Error()}
	}
	_, was := before.User(name)
	id := identity.Identity{Name: name, Authority: identity.AuthorityDirectory, Selection: s.Identity.Selection}
	id.Selection.Account = s.Grant.Account
	gets := e.cfg.Decider.DecideIdentity(snap, id, math.MaxInt)
	switch {
	case s.Grant.Account == "" || nkeys.IsValidPublicAccountKey(s.Grant.Account): // a key for which usher has no name
		return verdict{undecided: undecidedAccount, hopeless: true}
	case !ok:
		return unknownAdopted(name, gets.Ruleset, snap)
	case gets.Code == callout.CodeAmbiguousScope: // it has one of the signing keys
		return verdict{undecided: gets.Code, hopeless: true}
	case gets.Outcome == callout.Denied:
		return verdict{cause: gets.Code, what: gets.Cause}
	case gets.Outcome != callout.Granted:
		return verdict{undecided: gets.Code, compare: before}
	case s.Grant.Connection.Types != nil && !slices.ContainsFunc(gets.Grant.ConnectionTypes, directory.ConnectionType.OfLeafNode):
		if snap.HasUnreadable(directory.KindProject) {
			return verdict{undecided: undecidedLeafNode, compare: before}
		}
		return verdict{cause: callout.CodeLeafNode, what: permissions.ErrLeafNode.Error()}
	case !was || before == snap:
		return verdict{}
	}
	had := e.cfg.Decider.DecideIdentity(before, id, math.MaxInt)
	if had.Outcome != callout.Granted {
		return verdict{}
	}
	if what, lost := permissions.Lost(&had.Grant, &gets.Grant); lost {
		return verdict{cause: CauseLost, what: what}
	}
	return verdict{}
}

// unknownAdopted decides about an adopted session whose name is that of no user. usher grants
// users of the directory, and under names with "~" identities that a rule gives something.
func unknownAdopted(name string, rules *callout.Ruleset, snap *snapshot.Snapshot) verdict {
	switch {
	case name == health.UserName, name == service.UserName:
		return verdict{}
	case strings.Contains(name, "~") && rules.Rules == nil:
		return verdict{cause: tokens.CodeNotConfigured, what: "there are no rules of identities any more"}
	case directory.CheckName(name) != nil:
		return verdict{undecided: undecidedName, hopeless: true}
	case snap.HasUnreadable(directory.KindUser):
		return verdict{undecided: undecidedUser}
	}
	return verdict{cause: callout.CodeUserUnknown, what: "the user is not in the directory"}
}

// byBefore yields the sessions of a group by the directory with which an adopted one is
// compared: that of the last round, or the one before it could not be decided.
func (e *Engine) byBefore(one *session.Session, all []session.ID, last *snapshot.Snapshot) iter.Seq2[*snapshot.Snapshot, []session.ID] {
	return func(yield func(*snapshot.Snapshot, []session.ID) bool) {
		parts := map[*snapshot.Snapshot][]session.ID{last: all}
		if one.Adopted {
			parts = map[*snapshot.Snapshot][]session.ID{}
			e.mu.Lock()
			for _, id := range all {
				before := last
				if u := e.undecided[id]; u.compare != nil {
					before = u.compare
				}
				parts[before] = append(parts[before], id)
			}
			e.mu.Unlock()
		}
		for before, ids := range parts {
			if !yield(before, ids) {
				return
			}
		}
	}
}

// bannedAdopted returns a ban of an adopted session: of its user, network or MQTT client id.
func (e *Engine) bannedAdopted(s *session.Session, u *directory.User, snap *snapshot.Snapshot) error {
	c := tokens.Credential{Connection: s.Grant.Connection}
	if s.Addr.IsValid() {
		c.Host = s.Addr.String()
	}
	return tokens.CheckBans(snap, &c, s.Identity, u, e.cfg.Now)
}
