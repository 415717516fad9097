package config

import (
	"fmt"
	"reflect"

	"usher/app/config/rule"
	"usher/app/config/schema"
	"usher/directory"
	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/permissions/mapping"
)

// Identities configures what identities get that are not of the directory
// (docs/reference/identities.md).
type Identities struct {
	Match string         `yaml:"match" default:"first" rule:"one-of=first|all" doc:"Which rules decide. first: the first that matches. all: every rule that matches; their roles are added up."`
	Rules []IdentityRule `yaml:"rules" default:"[]" rule:"unique-names" doc:"Rules from verified facts to a user, to a profile, or to roles in projects (docs/reference/identities.md). An identity that no rule matches is denied. usher reloads them when usher.yaml changes (docs/reference/configuration.md#reload)."`
}

// IdentityRule gives something to the identities for which all conditions hold.
type IdentityRule struct {
	Name    string              `yaml:"name" required:"true" rule:"name" hint:"audit and usher explain show it" doc:"Name of the rule in audit and usher explain."`
	When    []IdentityCondition `yaml:"when" required:"true" default:"[]" rule:"nonempty" hint:"to match every identity of an authority, write {fact: authority, equals: NAME}" doc:"Conditions. All must hold."`
	User    string              `yaml:"user" rule:"line" doc:"The identity is this user of the directory. Values in braces are inserted, such as {claims.preferred_username}."`
	Profile string              `yaml:"profile" rule:"line" doc:"The identity is the service of this profile of profiles, and nothing else. Values in braces are inserted, such as {id}."`
	Roles   []IdentityRole      `yaml:"roles" default:"[]" rule:"unique-roles" doc:"The identity has these roles in projects, without being a user."`
	Ingest  bool                `yaml:"ingest" doc:"The identity has the ingest profile, in accounts.ingest."`
}

// IdentityCondition compares one fact of an identity.
type IdentityCondition struct {
	Fact     string `yaml:"fact" required:"true" rule:"line" hint:"authority, method, id, or a path such as claims.groups" doc:"authority, method, id, or a path into what the verifier attests, such as claims.groups. A key with other characters than letters, digits and _ - : $ @ + is in double quotes."`
	Equals   any    `yaml:"equals" rule:"scalar" doc:"The fact is this text, number or boolean. Each condition has one operator: equals, in, contains, glob, regexp or exists."`
	In       []any  `yaml:"in" default:"[]" rule:"scalars" doc:"The fact is one of these values."`
	Contains any    `yaml:"contains" rule:"scalar" doc:"The fact is a list with this element, or is this value alone."`
	Glob     string `yaml:"glob" rule:"line" doc:"The fact is a text that matches this pattern. * and ? stop at a /."`
	Regexp   string `yaml:"regexp" rule:"line" doc:"The fact is a text that matches this regular expression (RE2) as a whole: it begins with ^ and ends with $. Named groups are values for user, profile and project."`
	Exists   *bool  `yaml:"exists" doc:"true: the identity has the fact. false: it does not."`
}

// IdentityRole is a role in a project.
type IdentityRole struct {
	Project       string   `yaml:"project" required:"true" rule:"line" doc:"Name of the project. Values in braces are inserted."`
	Role          string   `yaml:"role" required:"true" rule:"one-of=project_admin|publisher|consumer" doc:"Role in the project."`
	Topics        []string `yaml:"topics" default:"[]" rule:"resources" doc:"Topics of a publisher: names, or * alone for all of the project."`
	Subscriptions []string `yaml:"subscriptions" default:"[]" rule:"resources" doc:"Subscriptions of a consumer: names, or * alone for all of the project."`
}

// IdentityRules compiles the rules of identities. In a valid configuration they have no
// problems.
func (c *Config) IdentityRules() (*mapping.Rules, directory.Problems) {
	in := mapping.Config{Match: c.Identities.Match, Profiles: c.profileNames()}
	in.Authorities, in.Attributes = c.Credentials.attest()
	for i := range c.Identities.Rules {
		r := &c.Identities.Rules[i]
		rule := mapping.Rule{Name: r.Name, User: r.User, Profile: r.Profile, Ingest: r.Ingest}
		for _, when := range r.When {
			rule.When = append(rule.When, mapping.Condition(when))
		}
		for _, role := range r.Roles {
			rule.Roles = append(rule.Roles, mapping.Role{
				Project: role.Project, Role: directory.Role(role.Role), Topics: role.Topics, Subscriptions: role.Subscriptions,
			})
		}
		in.Rules = append(in.Rules, rule)
	}
	return mapping.New(in)
}

// identityRules: the rules of identities can be compiled.
func identityRules() schema.Constraint {
	check := func(v *schema.Values) []schema.Fault {
		cfg, ok := v.Root().(*Config)
		if !ok {
			return nil
		}
		_, problems := cfg.IdentityRules()
		var faults []schema.Fault
		for _, p := range problems {
			faults = append(faults, schema.Fault{Key: "identities." + p.Path, Message: p.Message, Hint: p.Hint})
		}
		return faults
	}
	text := "Each condition in `identities.rules` has one operator. Each rule has either `user`, or `profile`, or `roles` or `ingest`, and can match, given `identities.match`. A `profile` is one of `profiles` (docs/reference/identities.md)."
	return schema.Constraint{Keys: []string{"identities.match", "identities.rules", "profiles"}, Text: text, Check: check}
}

// scalar checks a value to compare a fact with; nil: it is not set.
func scalar(v reflect.Value, _ string) []rule.Fault {
	if v.IsNil() {
		return nil
	}
	return valueFaults("", v.Interface())
}

// scalars checks a list of values to compare a fact with.
func scalars(v reflect.Value, _ string) []rule.Fault {
	var faults []rule.Fault
	for i := range v.Len() {
		faults = append(faults, valueFaults(strictyaml.IndexPath("", i), v.Index(i).Interface())...)
	}
	return faults
}

func valueFaults(at string, v any) []rule.Fault {
	if err := mapping.CheckValue(v); err != nil {
		return []rule.Fault{{At: at, Message: err.Error(), Hint: "a text, a number, true or false"}}
	}
	return nil
}

// resources checks the topics or subscriptions of a role.
func resources(v reflect.Value, _ string) []rule.Fault {
	names, ok := v.Interface().([]string)
	if !ok {
		return nil
	}
	i, err := mapping.CheckResources(names)
	if err != nil {
		return []rule.Fault{{At: strictyaml.IndexPath("", i), Message: err.Error(), Hint: directory.HintFor(err)}}
	}
	return nil
}

// uniqueRoles refuses two roles of the same kind in the same project.
func uniqueRoles(v reflect.Value, _ string) []rule.Fault {
	roles, ok := v.Interface().([]IdentityRole)
	if !ok {
		return nil
	}
	var faults []rule.Fault
	for i := range roles {
		for j := range i {
			if a, b := &roles[j], &roles[i]; a.Project == b.Project && a.Role == b.Role {
				faults = append(faults, rule.Fault{
					At: strictyaml.IndexPath("", i), Message: fmt.Sprintf("entry %d has this role in project %s too", j+1, secret.Name(b.Project)),
					Hint: "put the topics or subscriptions of one role into one entry",
				})
				break
			}
		}
	}
	return faults
}
