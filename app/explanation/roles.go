package explanation

import (
	"fmt"

	"usher/callout"
	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// Role is one role of the user.
type Role struct {
	Project string `json:"project,omitempty"` // empty: a service role
	Account string `json:"account,omitempty"`
	Role    string `json:"role"`
	LeftOut bool   `json:"left_out,omitempty"` // the selection leaves it out
}

// rolesOf lists every role of the user, also those that the selection leaves out. It
// follows permissions.Policy.Derive.
func rolesOf(policy *permissions.Policy, d *callout.Decision) []Role {
	var roles []Role
	f, sel := &d.Facts, d.Identity.Selection
	if f.User == nil {
		return nil
	}
	for _, r := range f.User.ServiceRoles {
		account, selected := policy.AccountOf(r), sel.Project == ""
		if r == directory.ServiceRoleAdmin && f.Selected != nil {
			account, selected = f.Selected.Account, true // the role follows the selected project
		}
		roles = append(roles, Role{Role: string(r), Account: account, LeftOut: !selected || otherAccount(sel, account)})
	}
	for i := range f.Memberships {
		m := &f.Memberships[i]
		project := m.Project
		// A service_admin gets the whole account of the selected project instead.
		leftOut := sel.Project != "" && (sel.Project != project.Name || f.HasServiceRole(directory.ServiceRoleAdmin)) || otherAccount(sel, project.Account)
		for _, r := range m.Roles {
			roles = append(roles, Role{Project: project.Name, Account: project.Account, Role: string(r), LeftOut: leftOut})
		}
	}
	return roles
}

// otherAccount reports whether sel asks for another account.
func otherAccount(sel identity.Selection, account string) bool {
	return sel.Account != "" && sel.Account != account
}

func (r *Role) text(selected string) string {
	text := fmt.Sprintf("%s in project %s (account %s)", r.Role, r.Project, r.Account)
	if r.Project == "" {
		text = fmt.Sprintf("%s (service role, account %s)", r.Role, orNone(r.Account))
	}
	if r.LeftOut {
		text += ", left out by " + selected
	}
	return text
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
