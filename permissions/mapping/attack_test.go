package mapping_test

import (
	"errors"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions/mapping"
)

// A rule that was meant for a value decides, also if the value is none that can be inserted.
//
// Attack: a claim that its owner chooses becomes a wildcard, several tokens or another project's name, or chooses a broader rule
// Held by: what a rule inserts must be the name of a project or user as it is, or the rule denies
func TestHostileValues(t *testing.T) {
	admin := func(project string) []mapping.Role {
		return []mapping.Role{{Project: project, Role: directory.RoleProjectAdmin}}
	}
	for _, match := range []string{mapping.MatchFirst, mapping.MatchAll} {
		r, problems := mapping.New(mapping.Config{Match: match, Rules: []mapping.Rule{
			{Name: "captured", When: []mapping.Condition{{Fact: "claims.group", Regexp: `^(?s:team-(?P<p>.*))$`}}, Roles: admin("{p}")},
			{Name: "inserted", When: []mapping.Condition{{Fact: "claims.team", Exists: new(true)}}, Roles: admin("{claims.team}")},
			{Name: "broad", When: []mapping.Condition{{Fact: "authority", Equals: "a"}}, Ingest: true},
		}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, value := range []string{
			"", "*", ">", "a.b", "a.>", "shop\n", "\nshop", "shop\x00", " shop", "shop ", "shop\u200b", "shop\u202e", "ｓhop", "١", "sho\u0440", "a/b", "{p}", "a,project=b", "project=b", "$SYS", "a~b", "a:b",
		} {
			for _, claims := range []map[string]any{{"group": "team-" + value}, {"team": value}, {"team": []any{value}}, {"team": map[string]any{"x": value}}} {
				got, err := r.Map(&identity.Identity{Authority: "a", ID: "x", Attributes: identity.Attributes{"claims": claims}})
				if !errors.Is(err, mapping.ErrValue) || len(got.Roles) > 0 || got.Ingest {
					t.Errorf("%s, %q: %+v, %v", match, claims, got, err)
				}
			}
		}
	}
}
