package assembly

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/permissions"
)

// SortedProjects returns the projects of a snapshot in the order of their names.
func SortedProjects(s *snapshot.Snapshot) []*directory.Project {
	return slices.SortedFunc(s.Projects(), func(x, y *directory.Project) int { return strings.Compare(x.Name, y.Name) })
}

// AccountProblems reports each account, and each scope of an account, that users of the
// directory get and for which the keyring has no signing key (operator mode). Requests
// of those users are not answered (no_signing_key).
func AccountProblems(policy *permissions.Policy, s *snapshot.Snapshot, keys *issuer.Keyring) directory.Problems {
	if !keys.Operator() {
		return nil
	}
	callout, _ := keys.Account(policy.CalloutAccount)
	signers, _ := keys.For(callout.PublicKey)
	var problems directory.Problems
	used := accountsInUse(policy, s)
	for _, place := range slices.SortedFunc(maps.Keys(used), func(a, b issuer.Place) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Scope, b.Scope))
	}) {
		account, known := keys.Account(place.Account)
		switch {
		case place.Account == policy.CalloutAccount: // permissions.CheckDirectory says so
		case !known:
			problems = append(problems, directory.Problem{
				Path: used[place], Message: fmt.Sprintf("uses account %q, which is not in keyring.yaml", place.Account),
				Hint: "add the account and its public key to accounts in keyring.yaml, and add a signing key of it",
			})
		case account.PublicKey == callout.PublicKey:
			problems = append(problems, directory.Problem{
				Path: used[place], Message: fmt.Sprintf("uses account %q, which is the callout account under another name", place.Account),
				Hint: "put clients into an account of their own",
			})
		case !signers.Has(place):
			problems = append(problems, directory.Problem{
				Path: used[place], Message: fmt.Sprintf("uses account %s, but the keyring has no active %s for it", place, MissingKey(keys, place)),
				Hint: "put a signing key of the account into the keyring (docs/reference/keyring.md)",
			})
		}
	}
	return problems
}

// MissingKey names the kind of key that a place needs. If the account has scoped keys
// only, a place without a scope needs an unscoped one.
func MissingKey(keys *issuer.Keyring, place issuer.Place) string {
	scoped := slices.ContainsFunc(keys.Keys(), func(k issuer.Key) bool {
		return k.Account == place.Account && k.Scope != "" && k.State == issuer.StateActive
	})
	if place.Scope == "" && scoped {
		return "unscoped signing key"
	}
	return "signing key"
}

// accountsInUse returns the accounts and scopes that users of the directory get, each
// with an example of such a user.
func accountsInUse(policy *permissions.Policy, s *snapshot.Snapshot) map[issuer.Place]string {
	used := map[issuer.Place]string{}
	add := func(account, role, who string) {
		place := issuer.Place{Account: account}
		if slices.Contains(policy.Scoped, permissions.ScopedRole{Account: account, Role: role}) {
			place.Scope = role
		}
		if _, exists := used[place]; account != "" && !exists {
			used[place] = who
		}
	}
	for _, p := range SortedProjects(s) {
		for _, m := range s.Members(p.Name) {
			for _, role := range m.Roles {
				add(p.Account, string(role), "project "+p.Name)
			}
		}
	}
	if policy.ProjectAccounts {
		for _, p := range SortedProjects(s) {
			add(p.Account, "", "project "+p.Name+" (usher's own connection)")
		}
	}
	for _, role := range directory.ServiceRoles() {
		user, held := s.FirstWithServiceRole(role)
		if !held {
			continue
		}
		add(policy.AccountOf(role), string(role), "user "+user)
		if role != directory.ServiceRoleAdmin {
			continue
		}
		for _, p := range SortedProjects(s) { // a service admin can select any of them
			add(p.Account, string(role), "project "+p.Name)
		}
	}
	add(policy.HealthCheckAccount, "", "accounts.healthcheck")
	return used
}
