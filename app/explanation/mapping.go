package explanation

import (
	"fmt"

	"usher/callout"
	"usher/identity"
	"usher/internal/secret"
	"usher/permissions"
	"usher/permissions/mapping"
)

// Fact is an attribute of an identity.
type Fact struct {
	Path  string `json:"path"`
	Value string `json:"value"` // as JSON; cut if it is long
}

// The results of a rule.
const (
	RuleDecided = "decided" // it matches, and its result counts
	RuleMatched = "matched" // it matches, but an earlier rule has decided
	RuleNoMatch = "no_match"
)

// Rule is what one rule of identities says about the identity.
type Rule struct {
	Name   string    `json:"name"`
	Result string    `json:"result"`
	Failed *Mismatch `json:"failed,omitempty"` // of a rule that does not match
}

// Mismatch is the first condition of a rule that does not hold.
type Mismatch struct {
	Condition int    `json:"condition"` // its index in when
	Fact      string `json:"fact"`
	Expected  string `json:"expected"`        // operator and value
	Found     string `json:"found,omitempty"` // value of the fact as JSON, cut if it is long; empty: there is none
}

// isMapped reports whether an identity gets what the rules of identities give it.
func isMapped(id *identity.Identity) bool {
	return id.Authority != identity.AuthorityDirectory && id.Authority != identity.AuthorityUsher && id.ID+string(id.Authority) != ""
}

// withOrigins returns the rules of the grant. An identity that has roles without being a user
// is in no ACL: a rule of identities names its topics and subscriptions.
func withOrigins(d *callout.Decision) []permissions.Rule {
	rules := append([]permissions.Rule{}, d.Grant.Rules...)
	if len(d.Rules) == 0 {
		return rules
	}
	if _, isUser := d.Snapshot.User(d.Identity.Name); isUser {
		return rules
	}
	for i := range rules {
		if rules[i].Origin.Source == permissions.SourceACL {
			rules[i].Origin.Source = permissions.SourceIdentities
		}
	}
	return rules
}

// explainMapping adds what each rule says, and the facts that the rules use.
func (x *Explanation) explainMapping(rules *mapping.Rules, id *identity.Identity) {
	for _, v := range rules.Explain(id) {
		r := Rule{Name: v.Rule, Result: RuleNoMatch}
		switch {
		case v.Decided:
			r.Result = RuleDecided
		case v.Matched:
			r.Result = RuleMatched
		default:
			r.Failed = &Mismatch{Condition: v.Condition, Fact: v.Fact, Expected: v.Expected, Found: v.Found}
		}
		x.Rules = append(x.Rules, r)
	}
	if x.Identity == nil {
		return
	}
	for _, f := range rules.Facts(id) {
		x.Identity.Facts = append(x.Identity.Facts, Fact{f.Path, f.Value})
	}
}

// maxFact bounds the length of the value of a fact, in bytes.
const maxFact = 256

// filterMapping hides what looks like a secret, or is part of the credential, in what
// comes from another authority.
func (x *Explanation) filterMapping(filter secret.Filter) {
	if x.Rules == nil && (x.Identity == nil || x.Identity.ID == "") {
		return
	}
	for i := range x.Rules {
		if failed := x.Rules[i].Failed; failed != nil {
			failed.Found = filter.Text(failed.Found, maxFact)
		}
	}
	if id := x.Identity; id != nil {
		id.Name, id.ID = filter.Text(id.Name, maxFact), filter.Text(id.ID, maxFact)
		for i := range id.Facts {
			id.Facts[i].Value = filter.Text(id.Facts[i].Value, maxFact)
		}
	}
}

// lines prints the identity.
func (id *Identity) lines(line func(label, format string, args ...any)) {
	name := id.Name
	if name == "" {
		name = id.ID
	}
	line("identity", "%s (authority %s, method %s)", name, id.Authority, id.Method)
	if id.ID != "" && id.ID != name {
		line("id", "%s", id.ID)
	}
	for _, f := range id.Facts {
		line("fact", "%s is %s", f.Path, f.Value)
	}
}

func (r *Rule) text() string {
	switch {
	case r.Result == RuleDecided:
		return r.Name + ": matches"
	case r.Failed == nil:
		return r.Name + ": matches too, but an earlier rule has decided"
	case r.Failed.Found == "":
		return fmt.Sprintf("%s: no, there is no %s, expected %s", r.Name, r.Failed.Fact, r.Failed.Expected)
	default:
		return fmt.Sprintf("%s: no, %s is %s, expected %s", r.Name, r.Failed.Fact, r.Failed.Found, r.Failed.Expected)
	}
}
