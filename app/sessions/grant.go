package sessions

import (
	"slices"
	"strings"
	"sync/atomic"
	"unique"

	"usher/callout/session"
	"usher/directory"
	"usher/permissions"
)

// grant is a permissions.Grant without what is of one user or connection: its inbox prefix
// and key id are marked. So the users with equal roles share it.
type grant struct {
	head  *head
	rules []unique.Handle[permissions.Rule]
	hash  uint64
	next  *grant
	users uint32 // principals that have it; guarded by the table
}

// head is what many grants have in common. It never changes.
type head struct {
	headKey
	types    []directory.ConnectionType
	tags     []string // as they are marked
	projects []*project
	grants   uint32 // guarded by the table
}

type headKey struct {
	account, scope string
	inbox          string // prefix; mark: that of the user's name
	types          string // joined
	tags           string // marked and joined
	wholeAccount   bool
}

// project counts the sessions whose grants have roles in it.
type project struct {
	name     string
	sessions atomic.Int64
	heads    uint32 // guarded by the table
}

// mark stands for the user's inbox prefix at the beginning of a subject, and for the key id
// at the end of a tag. Neither has a control character.
const mark = "\x00"

const keyTag = "key:"

func headKeyOf(s *session.Session) headKey {
	g := &s.Grant
	h := headKey{account: g.Account, scope: g.Scope, inbox: g.InboxPrefix, wholeAccount: g.WholeAccount}
	if h.inbox != "" && h.inbox == permissions.InboxPrefix(s.Identity.Name) {
		h.inbox = mark
	}
	names := make([]string, 0, 16)
	for _, t := range g.ConnectionTypes {
		names = append(names, string(t))
	}
	h.types, names = joined(names), names[:0]
	for _, tag := range g.Tags {
		if key := s.Identity.KeyID; key != "" && len(tag) == len(keyTag)+len(key) && strings.HasPrefix(tag, keyTag) && strings.HasSuffix(tag, key) {
			tag = keyTag + mark
		}
		names = append(names, tag)
	}
	h.tags = joined(names)
	return h
}

// count adds sessions to the projects of h.
func (h *head) count(n int64) {
	for _, p := range h.projects {
		p.sessions.Add(n)
	}
}

// in reports whether h has roles in a project.
func (h *head) in(name string) bool {
	return slices.ContainsFunc(h.projects, func(p *project) bool { return p.name == name })
}

// markedRule returns a rule with a mark in place of the inbox prefix.
func markedRule(s *session.Session, i int) permissions.Rule {
	rule, inbox := s.Grant.Rules[i], s.Grant.InboxPrefix
	if rest, ok := strings.CutPrefix(rule.Subject, inbox); ok && inbox != "" {
		rule.Subject = mark + rest
	}
	return rule
}

// is reports whether g is the grant of a session.
func (g *grant) is(in *incoming) bool {
	if len(g.rules) != len(in.s.Grant.Rules) || g.head.headKey != in.head {
		return false
	}
	for i := range g.rules {
		if g.rules[i].Value() != markedRule(in.s, i) {
			return false
		}
	}
	return true
}

// complete sets what principal.show does not.
func (g *grant) complete(to *permissions.Grant, p *principal) {
	h := g.head
	if to.InboxPrefix = h.inbox; h.inbox == mark {
		to.InboxPrefix = permissions.InboxPrefix(p.name())
	}
	to.ConnectionTypes, to.Tags = h.types, h.tags
	if i := slices.Index(h.tags, keyTag+mark); i >= 0 {
		to.Tags = slices.Clone(h.tags)
		to.Tags[i] = keyTag + p.keyID()
	}
	if len(g.rules) > 0 {
		to.Rules = make([]permissions.Rule, len(g.rules))
	}
	for i, rule := range g.rules {
		to.Rules[i] = rule.Value()
		if rest, ok := strings.CutPrefix(to.Rules[i].Subject, mark); ok {
			to.Rules[i].Subject = to.InboxPrefix + rest
		}
	}
}
