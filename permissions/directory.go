package permissions

import (
	"fmt"

	"usher/directory"
	"usher/directory/snapshot"
)

// CheckDirectory reports what in a directory the policy could never grant:
// projects in accounts that clients must not land in, and service roles that
// are bound to no account. Requests of those users go unanswered.
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
		if user, held := s.FirstWithServiceRole(role); held && p.AccountOf(role) == "" {
			problems = append(problems, directory.Problem{
				Path:    "user " + user,
				Message: fmt.Sprintf("holds service role %s, which is bound to no account", role),
				Hint:    fmt.Sprintf("set accounts.%s in the configuration", role),
			})
		}
	}
	return problems
}

// AccountOf returns the account that a service role is bound to; empty: none.
func (p *Policy) AccountOf(role directory.ServiceRole) string {
	switch role {
	case directory.ServiceRoleAdmin:
		return p.AdminAccount
	case directory.ServiceRoleIngest:
		return p.IngestAccount
	default:
		return ""
	}
}
