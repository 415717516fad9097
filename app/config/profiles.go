package config

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"usher/app/config/rule"
	"usher/app/config/schema"
	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/permissions"
)

// Profile is what an internal service may do (docs/how-to/internal-services.md).
type Profile struct {
	Name      string   `yaml:"name" required:"true" rule:"name not-built-in" hint:"a rule of identities names it" doc:"Name of the profile, such as that of the service."`
	Account   string   `yaml:"account" required:"true" rule:"account" hint:"an account of the server's configuration" doc:"Account of the service."`
	Publish   []string `yaml:"publish" default:"[]" rule:"publish-subjects unique" doc:"Subjects that the service may publish to, with or without wildcards. If empty, it may publish nothing."`
	Subscribe []string `yaml:"subscribe" default:"[]" rule:"subscribe-subjects unique" doc:"Subjects that the service may subscribe to, with or without wildcards, in any queue group. If empty, it may subscribe to nothing. A service that receives replies needs its inbox here: _INBOX.>, or a prefix that its client sets and no other service has."`
}

// GrantProfiles returns the profiles as package permissions has them.
func (c *Config) GrantProfiles() []permissions.Profile {
	all := make([]permissions.Profile, len(c.Profiles))
	for i := range c.Profiles {
		all[i] = permissions.Profile(c.Profiles[i])
	}
	return all
}

func (c *Config) profileNames() []string {
	names := make([]string, len(c.Profiles))
	for i := range c.Profiles {
		names[i] = c.Profiles[i].Name
	}
	return names
}

func profileConstraints() []schema.Constraint {
	const at = "profiles[]."
	return []schema.Constraint{
		otherAccount(at+"account", "accounts.callout", noClients),
		otherAccount(at+"account", "accounts.system", "a service is no administrator of the servers; use another account"),
		anySubject(at+"publish", at+"subscribe"),
	}
}

// anySubject: a profile has a subject on one side at least.
func anySubject(publish, subscribe string) schema.Constraint {
	check := func(v *schema.Values) []schema.Fault {
		if v.IsSet(publish) || v.IsSet(subscribe) {
			return nil
		}
		return []schema.Fault{{Key: publish, Message: "is empty, and so is subscribe", Hint: "a service that may do nothing needs no profile"}}
	}
	return schema.Constraint{Keys: []string{publish, subscribe}, Text: "Set `" + publish + "` or `" + subscribe + "`, or both.", Check: check}
}

// notBuiltIn refuses the names of profiles that are not those of usher.yaml.
func notBuiltIn(v reflect.Value, _ string) []rule.Fault {
	if !slices.Contains(permissions.ReservedProfiles(), v.String()) {
		return nil
	}
	hint := "choose another name"
	if v.String() == "ingest" {
		hint = "a rule of identities gives it with ingest: true"
	}
	return []rule.Fault{{Message: "is the name of a profile of usher's own", Hint: hint}}
}

// subjects checks the subjects of one side of a profile.
func subjects(side permissions.Side) func(reflect.Value, string) []rule.Fault {
	return func(v reflect.Value, _ string) []rule.Fault {
		var faults []rule.Fault
		for i := range v.Len() {
			text := v.Index(i).String()
			if err := permissions.CheckSubject(side, text); err != nil {
				faults = append(faults, rule.Fault{At: strictyaml.IndexPath("", i), Message: secret.Name(text) + " " + err.Error(), Hint: subjectHint(side, text)})
			}
		}
		return faults
	}
}

func subjectHint(side permissions.Side, text string) string {
	switch {
	case strings.ContainsFunc(text, unicode.IsSpace):
		return "name the subject alone: whoever may subscribe may do so in every queue group"
	case !permissions.ValidSubject(text):
		return "tokens with dots between them; * stands for one token, and > at the end for one or more"
	case side == permissions.Subscribe && strings.HasSuffix(text, "*"):
		return "nats-server lets a client subscribe to everything below a * at the end"
	case text[0] == '*':
		return "begin with a token that is no wildcard"
	case strings.HasPrefix(text, "$SYS."):
		return "leave it out: no service needs the requests of nats-server to usher"
	default:
		return "write one subject for each number of tokens that the service uses"
	}
}
