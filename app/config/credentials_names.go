package config

import (
	"regexp"
	"strings"

	"usher/app/config/schema"
	"usher/identity"
	"usher/internal/secret"
)

// authorityNames: no two kinds of credentials call their authority the same, and none is
// called as one that is built in. The rules of identities tell them apart by name.
func authorityNames() schema.Constraint {
	name := regexp.MustCompile(`^credentials\.[a-z0-9_]+(\[[0-9]+\])?\.name$`)
	check := func(v *schema.Values) []schema.Fault {
		first := map[string]string{
			string(identity.AuthorityDirectory): "the authority of the users of the directory",
			string(identity.AuthorityUsher):     "the authority of the health check",
		}
		var faults []schema.Fault
		for _, path := range v.Paths() {
			if !name.MatchString(path) || !v.Valid(path) || !v.IsSet(path) {
				continue
			}
			if !v.Has(strings.TrimSuffix(path, ".name")) {
				continue // a kind that the file does not mention is off
			}
			text := v.String(path)
			if other, taken := first[text]; taken {
				faults = append(faults, schema.Fault{Key: path, Message: secret.Name(text) + " is the name of another authority: " + other, Hint: "choose another name"})
				continue
			}
			first[text] = path
		}
		return faults
	}
	text := "The names of authorities, which are the keys `name` in the lists and sections of `credentials`, differ from each other, and none is `" +
		string(identity.AuthorityDirectory) + "` or `" + string(identity.AuthorityUsher) + "`."
	return schema.Constraint{Text: text, Check: check}
}
