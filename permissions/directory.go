package permissions

import (
	"fmt"

	"usher/directory"
	"usher/directory/snapshot"
)

// CheckDirectory reports the parts of a directory that the policy can never grant:
// projects in the callout or system account, and service roles without an account.
// usher does not answer requests of those users.
func (p *Policy) CheckDirectory(s *snapshot.Snapshot) directory.Problems {
	var problems directory.Problems
	for project := range s.Projects() {
		if project.Account == p.CalloutAccount || project.Account == p.SystemAccount {
			problems = append(problems, directory.Problem{
				Path:    "project " + project.Name,
				Message: fmt.Sprintf("lives in %q, which is the callout or the system account", project.Account),
				Hint:    "give the project an account of its own",
			})
		}
	}
	for _, role := range directory.ServiceRoles() {
		if !OnNATS(role) {
			continue
		}
		if user, found := s.FirstWithServiceRole(role); found && p.AccountOf(role) == "" {
			problems = append(problems, directory.Problem{
				Path:    "user " + user,
				Message: fmt.Sprintf("has service role %s, which has no account", role),
				Hint:    fmt.Sprintf("set accounts.%s in the configuration", role),
			})
		}
	}
	return problems
}

// OnNATS reports whether a service role gives something on NATS. The others are for the API
// alone: a user with no other role is denied as one without any.
func OnNATS(role directory.ServiceRole) bool {
	return role != directory.ServiceRolePushWorker && role != directory.ServiceRoleViewer
}

// AccountOf returns the account of a service role; empty: none is configured.
func (p *Policy) AccountOf(role directory.ServiceRole) string {
	switch role {
	case directory.ServiceRoleAdmin:
		return p.AdminAccount
	case directory.ServiceRoleIngest:
		return p.IngestAccount
	case directory.ServiceRolePushWorker, directory.ServiceRoleViewer:
		return "" // nothing on NATS (OnNATS)
	default:
		return ""
	}
}
