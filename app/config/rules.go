package config

import (
	"strings"

	"usher/app/config/rule"
	"usher/permissions"
)

// rules are the rules of package rule, and those about types of this package.
func rules() rule.Table {
	return append(rule.Rules(),
		rule.Rule{Name: "imports", Text: rule.Fixed("imports that nats-server accepts in an account JWT"), Check: imports},
		rule.Rule{Name: "exports", Text: rule.Fixed("exports that nats-server accepts in an account JWT"), Check: exports},
		rule.Rule{Name: "scalar", Text: rule.Fixed("a string, a number, `true` or `false`"), Check: scalar},
		rule.Rule{Name: "scalars", Text: rule.Fixed("each entry is a string, a number, `true` or `false`"), Check: scalars},
		rule.Rule{Name: "publish-subjects", Text: rule.Fixed("subjects that no invariant of a grant forbids"), Check: subjects(permissions.Publish)},
		rule.Rule{Name: "subscribe-subjects", Text: rule.Fixed("subjects that no invariant of a grant forbids"), Check: subjects(permissions.Subscribe)},
		rule.Rule{Name: "not-built-in", Text: rule.Fixed("not `" + strings.Join(permissions.ReservedProfiles(), "` or `") + "`"), Check: notBuiltIn},
		rule.Rule{Name: "resources", Text: rule.Fixed("names, or `*` alone"), Check: resources},
		rule.Rule{Name: "unique-roles", Text: rule.Fixed("no two entries have the same `project` and `role`"), Check: uniqueRoles},
	)
}
