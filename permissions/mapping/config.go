package mapping

import (
	"usher/directory"
	"usher/identity"
)

// The values of Config.Match.
const (
	MatchFirst = "first" // the first rule that matches decides
	MatchAll   = "all"   // an identity gets what all rules that match give together
)

// Config is what New makes Rules of.
type Config struct {
	Match string // empty: MatchFirst
	Rules []Rule

	// What the configured verifiers can say; nil: not known, so nothing is refused.
	Authorities []string // names of authorities
	Attributes  []string // top-level keys of identity.Attributes
	Profiles    []string // names of profiles
}

// Rule gives something to the identities for which all of its conditions hold: a user of
// the directory, the profile of a service, or roles, the ingest profile, or both of these.
type Rule struct {
	Name    string // shown in audit and explanations
	When    []Condition
	User    string // template
	Profile string // template
	Roles   []Role
	Ingest  bool
}

// Role is a role in a project. A publisher states topics, a consumer subscriptions:
// names, or directory.Everything alone.
type Role struct {
	Project       string // template
	Role          directory.Role
	Topics        []string
	Subscriptions []string
}

// Condition compares one fact. Exactly one operator is set. The values of Equals, In and
// Contains are texts, numbers or booleans.
type Condition struct {
	Fact     string
	Equals   any   // nil: not set
	In       []any // empty: not set
	Contains any
	Glob     string
	Regexp   string
	Exists   *bool
}

// Result is what the rules give an identity: a user, a profile, or anything else.
type Result struct {
	Rules   []string // names of the rules that decided, in their order
	User    string
	Roles   []directory.ProjectRole
	Ingest  bool
	Profile string
}

// Rules are compiled rules. They are immutable. Nil rules match nothing.
type Rules struct {
	all   bool
	rules []rule
}

// rule is a compiled Rule.
type rule struct {
	name    string
	when    []condition
	user    *template
	profile *template
	roles   []role
	fixed   []directory.ProjectRole // of roles, if no template of them has a value to insert
	ingest  bool
}

type role struct {
	project *template
	directory.ProjectRole
}

// subject is an identity on its way through one rule.
type subject struct {
	id       *identity.Identity
	captured map[string]string // by name of the group
}
