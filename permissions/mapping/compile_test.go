package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/directory"
	"usher/permissions/mapping"
)

func TestProblems(t *testing.T) {
	cond := func(c mapping.Condition) []mapping.Rule {
		return []mapping.Rule{{Name: "r", When: []mapping.Condition{c}, Ingest: true}}
	}
	gives := func(r mapping.Rule) []mapping.Rule {
		r.Name, r.When = "r", append(r.When, yes("claims.x"))
		return []mapping.Rule{r}
	}
	role := func(r mapping.Role) []mapping.Rule { return gives(mapping.Rule{Roles: []mapping.Role{r}}) }
	regexp := func(re string) []mapping.Rule { return cond(mapping.Condition{Fact: "claims.a", Regexp: re}) }
	when := func(c ...mapping.Condition) mapping.Rule { return mapping.Rule{Name: "r", When: c, Ingest: true} }
	is := func(fact string, v any) mapping.Condition { return mapping.Condition{Fact: fact, Equals: v} }
	publisher := func(project string) mapping.Role {
		return mapping.Role{Project: project, Role: directory.RolePublisher, Topics: []string{"*"}}
	}
	for _, c := range []struct {
		rules []mapping.Rule
		want  string // "path: message" of the only problem, or its beginning; empty: none
	}{
		{nil, ""},
		{[]mapping.Rule{{When: []mapping.Condition{yes("id")}, Ingest: true}}, "rules[0].name: is empty"},
		{[]mapping.Rule{{Name: "a b", When: []mapping.Condition{yes("id")}, Ingest: true}}, `rules[0].name: "a b" holds ' '`},
		{[]mapping.Rule{{Name: "a", When: []mapping.Condition{yes("id")}, Ingest: true}, {Name: "a", When: []mapping.Condition{no("id")}, Ingest: true}}, "rules[1].name: is the name of rules[0] too"},
		{[]mapping.Rule{{Name: "a", Ingest: true}}, "rules[0].when: has no condition"},

		{cond(mapping.Condition{Fact: "claims.a"}), "rules[0].when[0]: needs exactly one operator, has none"},
		{cond(mapping.Condition{Fact: "claims.a", Equals: "x", Glob: "y"}), "rules[0].when[0]: needs exactly one operator, has equals and glob"},
		{cond(yes("")), "rules[0].when[0].fact: has an empty key"},
		{cond(yes("claims.")), "rules[0].when[0].fact: has an empty key"},
		{cond(yes("claims..a")), "rules[0].when[0].fact: has an empty key"},
		{cond(yes("claims.a b")), "rules[0].when[0].fact: has ' ', which"},
		{cond(yes("claims.https://acme")), "rules[0].when[0].fact: has '/', which"},
		{cond(yes(`claims."a`)), "rules[0].when[0].fact: has a double quote that does not end"},
		{cond(yes(`claims.""`)), "rules[0].when[0].fact: has an empty key"},
		{cond(yes(`claims."a"b`)), "rules[0].when[0].fact: has 'b', which"},
		{cond(yes("id.x")), "rules[0].when[0].fact: leads into id, which is a text"},
		{cond(yes("claim.a")), "rules[0].when[0].fact: \"claim\" is no fact"},
		{cond(yes("spiffe")), "rules[0].when[0].fact: \"spiffe\" is no fact"},
		{cond(is("authority", "gitub")), `rules[0].when[0].equals: no identity has authority "gitub"`},
		{cond(mapping.Condition{Fact: "authority", In: []any{"github", 7}}), `rules[0].when[0].in: no identity has authority "7"`},
		{cond(is("method", "apikey")), `rules[0].when[0].equals: no identity has method "apikey"`},
		{cond(is("method", "oidc")), ""},
		{cond(is("claims.a", []any{"x"})), "rules[0].when[0].equals: is not a text"},
		{cond(is("claims.a", int64(9007199254740992))), "rules[0].when[0].equals: is too large to be"},
		{cond(mapping.Condition{Fact: "claims.a", In: []any{}}), "rules[0].when[0]: needs exactly one operator, has none"},
		{cond(mapping.Condition{Fact: "claims.a", In: []any{1, 1.0}}), "rules[0].when[0].in[1]: is listed twice"},
		{cond(mapping.Condition{Fact: "claims.a", Contains: map[string]any{}}), "rules[0].when[0].contains: is not a text"},
		{cond(mapping.Condition{Fact: "claims.a", Glob: "a["}), `rules[0].when[0].glob: "a[" is no pattern`},
		{cond(mapping.Condition{Fact: "claims.a", Glob: strings.Repeat("a", 1025)}), "rules[0].when[0].glob: "},

		{regexp("^a$"), ""},
		{regexp("(?i)^(?:a|b)$"), ""},
		{regexp(`\Aa\z`), ""},
		{regexp("(^a$)"), ""},
		{regexp("a"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("^a"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("a$"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("^a|b$"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("(?m)^a$"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("(^)?a$"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("^a($|b)"), "rules[0].when[0].regexp: is not anchored"},
		{regexp("^(a$"), "rules[0].when[0].regexp: error parsing regexp"},
		{regexp("^a(?=b)$"), "rules[0].when[0].regexp: error parsing regexp"},
		{regexp("^" + strings.Repeat("a", 1024) + "$"), "rules[0].when[0].regexp: is longer than"},
		{regexp("^(?P<id>a)$"), "rules[0].when[0].regexp: captures id, which is a fact"},
		{[]mapping.Rule{when(acme("a"), acme("b"))}, "rules[0].when[1].regexp: captures \"project\", which is captured already"},

		{gives(mapping.Rule{}), "rules[0]: gives nothing"},
		{gives(mapping.Rule{User: "a", Ingest: true}), "rules[0].user: conflicts with roles and ingest"},
		{gives(mapping.Rule{User: "a", Roles: []mapping.Role{publisher("shop")}}), "rules[0].user: conflicts with roles and ingest"},
		{gives(mapping.Rule{User: "a{claims.x}"}), ""},
		{gives(mapping.Rule{User: "_{claims.x}"}), `rules[0].user: has "_", which is no part of a name`},
		{gives(mapping.Rule{User: "{claims.x}_a"}), ""},
		{gives(mapping.Rule{User: "{claims.x}.a"}), `rules[0].user: has ".a", which is no part of a name`},
		{gives(mapping.Rule{User: "a.b"}), `rules[0].user: "a.b" holds '.'`},
		{gives(mapping.Rule{User: "{claims.x"}), "rules[0].user: has a { without its }"},
		{gives(mapping.Rule{User: "claims.x}"}), "rules[0].user: has a } without its {"},
		{gives(mapping.Rule{User: "{}"}), "rules[0].user: has a value in braces that has an empty key"},
		{gives(mapping.Rule{User: "{x}"}), "rules[0].user: inserts {x}, which no regexp"},
		{gives(mapping.Rule{User: `{claims."a}b"}`}), ""},
		{gives(mapping.Rule{User: "{id.x}"}), "rules[0].user: leads into id"},
		{gives(mapping.Rule{User: "{clams.x}"}), `rules[0].user: "clams" is no fact`},

		{role(publisher("shop")), ""},
		{role(publisher("")), "rules[0].roles[0].project: is missing"},
		{role(publisher("habitat")), "rules[0].roles[0].project: habitat is reserved"},
		{role(publisher("{a.b}")), `rules[0].roles[0].project: "a" is no fact`},
		{role(mapping.Role{Project: "shop", Role: "owner"}), "rules[0].roles[0].role: expected one of"},
		{role(mapping.Role{Project: "shop", Role: directory.RolePublisher}), "rules[0].roles[0].topics: must not be empty"},
		{role(mapping.Role{Project: "shop", Role: directory.RoleConsumer}), "rules[0].roles[0].subscriptions: must not be empty"},
		{role(mapping.Role{Project: "shop", Role: directory.RolePublisher, Topics: []string{"a.b"}}), "rules[0].roles[0].topics[0]: "},
		{role(mapping.Role{Project: "shop", Role: directory.RolePublisher, Topics: []string{"a", "*"}}), `rules[0].roles[0].topics[1]: "*" stands alone`},
		{role(mapping.Role{Project: "shop", Role: directory.RolePublisher, Topics: []string{"a"}, Subscriptions: []string{"s"}}), "rules[0].roles[0].subscriptions: are for role consumer"},
		{role(mapping.Role{Project: "shop", Role: directory.RoleProjectAdmin, Topics: []string{"a"}}), "rules[0].roles[0].topics: are for role publisher"},

		{[]mapping.Rule{when(is("claims.a", 1), is("claims.a", 2))}, "rules[0].when[1]: contradicts when[0]"},
		{[]mapping.Rule{when(is("claims.a", "b"), mapping.Condition{Fact: "claims.a", Glob: "c*"})}, "rules[0].when[1]: contradicts when[0]"},
		{[]mapping.Rule{when(mapping.Condition{Fact: "claims.a", Glob: "c*"}, is("claims.a", "b"))}, "rules[0].when[1]: contradicts when[0]"},
		{[]mapping.Rule{when(is("claims.a", "cd"), mapping.Condition{Fact: "claims.a", Glob: "c*"})}, ""},
		{[]mapping.Rule{when(no("claims.a"), is(`claims."a"`, 1))}, "rules[0].when[1]: contradicts when[0]"},
		{[]mapping.Rule{when(yes("claims.a"), no("claims.a"))}, "rules[0].when[1]: contradicts when[0]"},
		{[]mapping.Rule{when(yes("claims.a"), no("claims.b"))}, ""},
	} {
		_, problems := mapping.New(mapping.Config{Rules: c.rules, Authorities: []string{"github"}, Attributes: []string{"claims", "certificate"}})
		got := problems.Error()
		if len(problems) > 1 || (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.rules, got, c.want)
		}
	}
	if _, problems := mapping.New(mapping.Config{Match: "any"}); !strings.HasPrefix(problems.Error(), "match: expected first or all") {
		t.Errorf("match: %v", problems)
	}
}

func TestUnreachable(t *testing.T) {
	is := func(fact string, v ...any) mapping.Condition { return mapping.Condition{Fact: fact, In: v} }
	glob := func(p string) mapping.Condition { return mapping.Condition{Fact: "claims.a", Glob: p} }
	all := func(c ...mapping.Condition) []mapping.Condition { return c }
	for _, c := range []struct {
		earlier, later []mapping.Condition
		unreachable    bool
	}{
		{all(yes("id")), all(yes("id")), true},
		{all(yes("id")), all(yes("id"), yes("claims.a")), true},
		{all(yes("id"), yes("claims.a")), all(yes("id")), false},
		{all(yes("id")), all(no("id")), false},
		{all(yes("id")), all(is("id", "x")), true},
		{all(is("id", "x", "y")), all(is("id", "y")), true},
		{all(is("id", "x")), all(is("id", "x", "y")), false},
		{all(glob("r*")), all(is("claims.a", "r1", "r2")), true},
		{all(glob("r*")), all(is("claims.a", "r1", "s")), false},
		{all(glob("r*")), all(glob("r*")), true},
		{all(glob("r*")), all(glob("r1*")), false}, // it is, but that is not simple to see
		{all(mapping.Condition{Fact: "claims.a", Contains: "x"}), all(mapping.Condition{Fact: "claims.a", Contains: "y"}), false},
		{all(mapping.Condition{Fact: "claims.a", Contains: "x"}), all(is("claims.a", "x")), true},
	} {
		rules := []mapping.Rule{{Name: "a", When: c.earlier, Ingest: true}, {Name: "b", When: c.later, User: "u"}}
		_, problems := mapping.New(mapping.Config{Rules: rules})
		want := "rules[1].when: the rule never decides, because rules[0] (a) matches whenever this one does"
		if got := problems.Error(); (got == want) != c.unreachable || !c.unreachable && got != "" {
			t.Errorf("%+v, then %+v: %s", c.earlier, c.later, got)
		}
		if _, problems := mapping.New(mapping.Config{Match: "all", Rules: rules}); len(problems) > 0 {
			t.Errorf("all, %+v: %v", c.later, problems)
		}
	}
}

// Every problem names a path in the rules.
func TestAllProblems(t *testing.T) {
	_, problems := mapping.New(mapping.Config{Match: "x", Rules: []mapping.Rule{{}, {Name: "a", When: []mapping.Condition{{}}, Roles: []mapping.Role{{}}}}})
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	want := "[match rules[0].name rules[0].when rules[0] rules[1].when[0].fact rules[1].when[0] rules[1].roles[0].project rules[1].roles[0].role]"
	if fmt.Sprint(paths) != want {
		t.Errorf("got  %s\nwant %s", paths, want)
	}
}
