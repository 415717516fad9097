package config

import (
	"regexp"
	"strings"

	"usher/identity"
	"usher/internal/secret"
)

// authorityNames: no two kinds of credentials call their authority the same, and none is
// called as one that is built in. The rules of identities tell them apart by name.
func authorityNames() constraint {
	name := regexp.MustCompile(`^credentials\.[a-z0-9_]+(\[[0-9]+\])?\.name$`)
	check := func(c *checker) []fault {
		first := map[string]string{
			string(identity.AuthorityDirectory): "the authority of the users of the directory",
			string(identity.AuthorityUsher):     "the authority of the health check",
		}
		var faults []fault
		for i := range c.instances {
			k := &c.instances[i]
			if !name.MatchString(k.path) || !c.valid(k.path) || k.value.String() == "" {
				continue
			}
			if !c.src.Has(strings.TrimSuffix(k.path, ".name")) {
				continue // a kind that the file does not mention is off
			}
			text := k.value.String()
			if other, taken := first[text]; taken {
				faults = append(faults, fault{k.path, secret.Name(text) + " is the name of another authority: " + other, "choose another name"})
				continue
			}
			first[text] = k.path
		}
		return faults
	}
	text := "The names of authorities, which are the keys `name` in the lists and sections of `credentials`, differ from each other, and none is `" +
		string(identity.AuthorityDirectory) + "` or `" + string(identity.AuthorityUsher) + "`."
	return constraint{nil, text, check}
}
