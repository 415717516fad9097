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

// rolesOf lists every role of the user, those as well that what was asked for
// leaves out (permissions.Policy.Derive).
func rolesOf(policy *permissions.Policy, d *callout.Decision) []Role {
	var roles []Role
	f, sel := &d.Facts, d.Identity.Selection
	if f.User == nil {
		return nil
	}
	for _, r := range f.User.ServiceRoles {
		account, there := policy.AccountOf(r), sel.Project == ""
		if r == directory.ServiceRoleAdmin && f.Selected != nil {
			account, there = f.Selected.Account, true // it goes where the project is
		}
		roles = append(roles, Role{Role: string(r), Account: account, LeftOut: !there || elsewhere(sel, account)})
	}
	for i := range f.Memberships {
		m := &f.Memberships[i]
		project := m.Project
		// A service_admin has all of the account of the project that it asks for.
		leftOut := sel.Project != "" && (sel.Project != project.Name || f.HasServiceRole(directory.ServiceRoleAdmin)) || elsewhere(sel, project.Account)
		for _, r := range m.Roles {
			roles = append(roles, Role{Project: project.Name, Account: project.Account, Role: string(r), LeftOut: leftOut})
		}
	}
	return roles
}

// elsewhere reports whether an account was asked for that is not this one.
func elsewhere(sel identity.Selection, account string) bool {
	return sel.Account != "" && sel.Account != account
}

// selected returns a selection as clients write it; empty: nothing was selected.
func selected(sel identity.Selection) string {
	switch {
	case sel.Project != "":
		return "project=" + sel.Project
	case sel.Account != "":
		return "account=" + sel.Account
	default:
		return ""
	}
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
