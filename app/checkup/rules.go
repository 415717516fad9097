package checkup

import (
	"fmt"
	"strings"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/directory"
	"usher/directory/snapshot"
)

// checkRuleNames finds projects, topics, subscriptions and users that rules of identities
// name and the directory does not have. They give nothing, and may be there tomorrow.
func checkRuleNames(f *finding.List, path string, cfg *config.Config, s *snapshot.Snapshot) {
	for i := range cfg.Identities.Rules {
		r := &cfg.Identities.Rules[i]
		missing := func(at, what, name string) {
			f.Warn("identities", path, "add it to the directory, or correct the rule",
				"rule %s: identities.rules[%d].%s: the directory has no %s %s", r.Name, i, at, what, name)
		}
		if _, ok := s.User(r.User); !ok && isFixed(r.User) {
			missing("user", "user", r.User)
		}
		for j := range r.Roles {
			role, at := &r.Roles[j], fmt.Sprintf("roles[%d].", j)
			if !isFixed(role.Project) {
				continue
			}
			if _, ok := s.Project(role.Project); !ok {
				missing(at+"project", "project", role.Project)
				continue
			}
			for _, name := range role.Topics {
				if _, ok := s.Topic(role.Project, name); !ok && name != directory.Everything {
					missing(at+"topics", "topic", role.Project+"/"+name)
				}
			}
			for _, name := range role.Subscriptions {
				if _, ok := s.Subscription(role.Project, name); !ok && name != directory.Everything {
					missing(at+"subscriptions", "subscription", role.Project+"/"+name)
				}
			}
		}
	}
}

// isFixed reports whether a name is the same for all identities: nothing is inserted.
func isFixed(name string) bool { return name != "" && !strings.Contains(name, "{") }
