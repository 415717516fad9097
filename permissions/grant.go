package permissions

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/directory"
	"usher/identity"
)

// Side is the direction of a rule.
type Side string

// The two sides of a connection.
const (
	Publish   Side = "publish"
	Subscribe Side = "subscribe"
)

// Beginnings of tags that say what a grant holds for.
const (
	tagProject = "project:"
	tagRole    = "role:"
	tagProfile = "profile:"
)

// Sides lists both sides, in the order in which a Grant is sorted.
func Sides() []Side { return []Side{Publish, Subscribe} }

// Effect is what a rule does.
type Effect string

// The effects of a rule. A denial wins over any number of allowances.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// Source is the kind of origin of a rule.
type Source string

// The sources of a rule.
const (
	SourceACL          Source = "acl"          // an entry of a topic's or subscription's ACL
	SourceIdentities   Source = "identities"   // a topic or subscription that a rule of identities names
	SourceRole         Source = "role"         // a role in a project
	SourceServiceRole  Source = "service_role" // a service role
	SourceProfile      Source = "profile"      // a hard-coded profile, or one of the configuration
	SourceInbox        Source = "inbox"        // the private inbox of the user
	SourceInvariant    Source = "invariant"    // part of every grant
	resourceTopic             = "topic"
	resourceSub               = "subscription"
	profileIngest             = "ingest"
	profileHealthCheck        = "healthcheck"
	profileService            = "service"
)

// Origin is the reason for a rule. Fields that do not apply are empty.
type Origin struct {
	Source   Source `json:"source"`
	Role     string `json:"role,omitempty"`     // role, service role or profile
	Project  string `json:"project,omitempty"`  // the project that the role or ACL is in
	Resource string `json:"resource,omitempty"` // "topic" or "subscription"
	Name     string `json:"name,omitempty"`     // name of the topic or subscription
}

// String returns the origin for people, such as "acl of topic demo/orders (role publisher)".
func (o Origin) String() string {
	switch o.Source {
	case SourceACL:
		return "acl of " + o.Resource + " " + o.Project + "/" + o.Name + " (role " + o.Role + ")"
	case SourceIdentities:
		return "rule of identities, " + o.Resource + " " + o.Project + "/" + o.Name + " (role " + o.Role + ")"
	case SourceRole:
		return "role " + o.Role + " in project " + o.Project
	case SourceServiceRole:
		return "service role " + o.Role
	case SourceProfile:
		return "profile " + o.Role
	case SourceInbox:
		return "private inbox"
	case SourceInvariant:
		return "part of every grant"
	default:
		return string(o.Source)
	}
}

// Rule allows or denies one subject, which may have wildcards, on one side.
type Rule struct {
	Side    Side   `json:"side"`
	Effect  Effect `json:"effect"`
	Subject string `json:"subject"`
	Origin  Origin `json:"origin"`
}

// Grant is what an identity gets: an account, permissions and limits in it, and a
// lifetime.
type Grant struct {
	Account         string                     // the NATS account
	Scope           string                     // the scoped signing key whose template has the permissions; empty: Rules has them
	Rules           []Rule                     // sorted by side, effect and subject, without duplicates
	InboxPrefix     string                     // the inbox prefix that the client may use; empty: its profile states its subjects
	ConnectionTypes []directory.ConnectionType // for which it may be used; empty: the template of Scope decides
	Connection      identity.Connection        // the connection that Connect has checked
	WholeAccount    bool                       // the roles give everything in the account
	leafNodeErr     error                      // why ConnectionTypes lacks a leaf node that the user lists
	Networks        []netip.Prefix             // from which the client may connect; empty: from everywhere
	NotAfter        time.Time                  // end of the credential; zero: none
	Tags            []string                   // project, role, method and key id, as "name:value"
}

// Subjects returns the subjects of one side and effect, sorted.
func (g *Grant) Subjects(side Side, effect Effect) []string {
	n := 0
	for i := range g.Rules {
		if g.Rules[i].Side == side && g.Rules[i].Effect == effect {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	subjects := make([]string, 0, n)
	for i := range g.Rules {
		if g.Rules[i].Side == side && g.Rules[i].Effect == effect {
			subjects = append(subjects, g.Rules[i].Subject)
		}
	}
	return subjects
}

// Verdict is the result of Check.
type Verdict struct {
	Allowed bool
	Rule    *Rule // the rule that decided; nil if no rule allows the subject
	// Filtered: the subscription is allowed, but nats-server drops the messages that
	// Rule denies.
	Filtered bool
}

// Check decides as nats-server would: a subject is allowed if an allowance covers it and
// no denial does. On the subscribe side subject may have wildcards, and the rule "a.*"
// admits the subscription "a.>", as in nats-server 2.15.
func (g *Grant) Check(side Side, subject string) Verdict {
	var allowed, filter *Rule
	for i := range g.Rules {
		r := &g.Rules[i]
		if r.Side != side {
			continue
		}
		switch {
		case r.Effect == Deny && admits(side, r.Subject, subject):
			return Verdict{Rule: r}
		case r.Effect == Deny && Overlaps(r.Subject, subject):
			filter = r
		case r.Effect == Allow && allowed == nil && admits(side, r.Subject, subject):
			allowed = r
		}
	}
	if allowed != nil && filter != nil {
		return Verdict{Allowed: true, Rule: filter, Filtered: true}
	}
	return Verdict{Allowed: allowed != nil, Rule: allowed}
}

// OnlyIn reports whether the grant holds for nothing outside of a project.
func (g *Grant) OnlyIn(project string) bool {
	if !slices.Contains(g.Tags, tagProject+project) {
		return false
	}
	for _, tag := range g.Tags {
		switch name, value, _ := strings.Cut(tag, ":"); name + ":" {
		case tagProject:
			if value != project {
				return false
			}
		case tagRole: // a service role has another name than the roles in a project
			if !slices.Contains(directory.Roles(), directory.Role(value)) {
				return false
			}
		case tagProfile:
			return false
		}
	}
	return true
}

// denies reports whether a denial covers all of subject.
func (g *Grant) denies(side Side, subject string) bool {
	return slices.ContainsFunc(g.Rules, func(r Rule) bool {
		return r.Side == side && r.Effect == Deny && Covers(r.Subject, subject)
	})
}
