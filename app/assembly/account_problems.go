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

func SortedProjects(s *snapshot.Snapshot) []*directory.Project {
	return slices.SortedFunc(s.Projects(), func(x, y *directory.Project) int { return strings.Compare(x.Name, y.Name) })
}

// AccountProblems reports each account, and scope of one, in which somebody of the
// directory would land and for which the keyring has no signing key. Requests of
// those users go unanswered (no_signing_key).
func AccountProblems(policy *permissions.Policy, s *snapshot.Snapshot, keys *issuer.Keyring) directory.Problems {
	if !keys.Operator() {
		return nil
	}
	callout, _ := keys.Account(policy.CalloutAccount)
	signers, _ := keys.For(callout.PublicKey)
	var problems directory.Problems
	lands := landings(policy, s)
	for _, place := range slices.SortedFunc(maps.Keys(lands), func(a, b issuer.Place) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Scope, b.Scope))
	}) {
		account, known := keys.Account(place.Account)
		switch {
		case place.Account == policy.CalloutAccount: // permissions.CheckDirectory says so
		case !known:
			problems = append(problems, directory.Problem{
				Path: lands[place], Message: fmt.Sprintf("lands in account %q, which keyring.yaml does not know", place.Account),
				Hint: "add it to accounts in keyring.yaml, with its public key, and a signing key of it",
			})
		case account.PublicKey == callout.PublicKey:
			problems = append(problems, directory.Problem{
				Path: lands[place], Message: fmt.Sprintf("lands in account %q, which is the callout account under another name", place.Account),
				Hint: "give clients an account of their own",
			})
		case !signers.Has(place):
			problems = append(problems, directory.Problem{
				Path: lands[place], Message: fmt.Sprintf("lands in account %s, for which no active %s is in the keyring", place, MissingKey(keys, place)),
				Hint: "put a signing key of the account into the keyring (docs/reference/keyring.md)",
			})
		}
	}
	return problems
}

// MissingKey is what a place lacks that has no signing key. Beside scoped keys of
// its account it is one without a scope.
func MissingKey(keys *issuer.Keyring, place issuer.Place) string {
	scoped := slices.ContainsFunc(keys.Keys(), func(k issuer.Key) bool {
		return k.Account == place.Account && k.Scope != "" && k.State == issuer.StateActive
	})
	if place.Scope == "" && scoped {
		return "unscoped signing key"
	}
	return "signing key"
}

// landings returns where somebody of the directory lands, with an example of who.
func landings(policy *permissions.Policy, s *snapshot.Snapshot) map[issuer.Place]string {
	lands := map[issuer.Place]string{}
	add := func(account, role, who string) {
		place := issuer.Place{Account: account}
		if slices.Contains(policy.Scoped, permissions.ScopedRole{Account: account, Role: role}) {
			place.Scope = role
		}
		if _, there := lands[place]; account != "" && !there {
			lands[place] = who
		}
	}
	for _, p := range SortedProjects(s) {
		for _, m := range s.Members(p.Name) {
			for _, role := range m.Roles {
				add(p.Account, string(role), "project "+p.Name)
			}
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
		for _, p := range SortedProjects(s) { // where a service admin may want to go
			add(p.Account, string(role), "project "+p.Name)
		}
	}
	add(policy.HealthCheckAccount, "", "accounts.healthcheck")
	return lands
}
