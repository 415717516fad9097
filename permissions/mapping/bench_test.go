package mapping_test

import (
	"fmt"
	"testing"

	"usher/directory"
	"usher/permissions/mapping"
)

const githubClaims = `{"iss": "https://token.actions.example.com", "sub": "repo:acme/shop:ref:refs/heads/main",
	"aud": ["nats", "other"], "repository": "acme/shop", "repository_owner": "acme", "ref": "refs/heads/main", "run_id": "123",
	"groups": ["a", "b", "c", "d"], "exp": 1900000000}`

// BenchmarkMap is ten rules, of which the last matches, with claims as GitHub has them.
func BenchmarkMap(b *testing.B) {
	var cfg mapping.Config
	for i := range 10 {
		cfg.Rules = append(cfg.Rules, mapping.Rule{
			Name: fmt.Sprintf("r%d", i),
			When: []mapping.Condition{
				{Fact: "authority", Equals: "github"},
				{Fact: "claims.repository_owner", Equals: "acme"},
				{Fact: "claims.groups", Contains: []string{"d", "z"}[min(9-i, 1)]},
				{Fact: "claims.sub", Regexp: fmt.Sprintf("^repo:acme/(?P<project>[a-z]+):ref:refs/heads/ma.{%d}$", 2+9-i)},
			},
			Roles: []mapping.Role{{Project: "{project}", Role: directory.RoleProjectAdmin}},
		})
	}
	r, id := compile(b, cfg), who(b, githubClaims)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := r.Map(id); err != nil || got.Rules[0] != "r9" {
			b.Fatal(got, err)
		}
	}
}
