package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions/mapping"
)

// who is an identity of authority github with claims as JSON.
func who(tb testing.TB, claims string) *identity.Identity {
	tb.Helper()
	out := identity.Identity{ID: "me", Authority: "github", Method: identity.MethodOIDC}
	if claims != "" {
		var c map[string]any
		if err := json.Unmarshal([]byte(claims), &c); err != nil {
			tb.Fatal(err)
		}
		out.Attributes = identity.Attributes{"claims": c}
	}
	return &out
}

func compile(tb testing.TB, cfg mapping.Config) *mapping.Rules {
	tb.Helper()
	r, problems := mapping.New(cfg)
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	return r
}

// ingestIf is a rule that gives the ingest profile under one condition.
func ingestIf(c mapping.Condition) mapping.Config {
	return mapping.Config{Rules: []mapping.Rule{{Name: "r", When: []mapping.Condition{c}, Ingest: true}}}
}

func exists(fact string, b bool) mapping.Condition { return mapping.Condition{Fact: fact, Exists: &b} }

func yes(fact string) mapping.Condition { return exists(fact, true) }

func no(fact string) mapping.Condition { return exists(fact, false) }

func TestConditions(t *testing.T) {
	const claims = `{"sub": "repo:acme/shop", "n": 7, "half": 0.5, "big": 9007199254740993, "ok": true, "off": false,
		"empty": "", "none": null, "list": ["a", 7, ["c"], true], "one": ["a"], "no one": [],
		"realm_access": {"roles": ["admin"]}, "https://acme/roles": ["boss"], "a.b": {"c\"d": "e"},
		"ref": "refs/heads/main", "deep": "refs/heads/a/b", "lines": "a\nb"}`
	is := func(fact string, v any) mapping.Condition { return mapping.Condition{Fact: fact, Equals: v} }
	in := func(fact string, v ...any) mapping.Condition { return mapping.Condition{Fact: fact, In: v} }
	has := func(fact string, v any) mapping.Condition { return mapping.Condition{Fact: fact, Contains: v} }
	glob := func(fact, p string) mapping.Condition { return mapping.Condition{Fact: fact, Glob: p} }
	re := func(fact, p string) mapping.Condition { return mapping.Condition{Fact: fact, Regexp: p} }
	for _, c := range []struct {
		condition mapping.Condition
		want      bool
	}{
		{is("authority", "github"), true},
		{is("authority", "GitHub"), false},
		{is("method", "oidc"), true},
		{is("id", "me"), true},
		{is("id", 7), false},
		{is("claims.sub", "repo:acme/shop"), true},
		{is("claims.Sub", "repo:acme/shop"), false},
		{is("claims.n", int64(7)), true},
		{is("claims.n", 7.0), true},
		{is("claims.n", "7"), false},
		{is("claims.half", 0.5), true},
		{is("claims.big", 9007199254740991.0), false},
		{is("claims.ok", true), true},
		{is("claims.ok", "true"), false},
		{is("claims.ok", 1), false},
		{is("claims.off", false), true},
		{is("claims.empty", ""), true},
		{is("claims.none", ""), false},
		{is("claims.list", "a"), false},
		{is("claims.one", "a"), false},
		{is("claims.sub.x", "a"), false},
		{is("claims.realm_access", "admin"), false},
		{in("claims.n", "7", 8, 7), true},
		{in("claims.n", "7", 8), false},
		{has("claims.list", "a"), true},
		{has("claims.list", 7), true},
		{has("claims.list", "7"), false},
		{has("claims.list", true), true},
		{has("claims.list", "c"), false},
		{has("claims.no one", "a"), false},
		{has("claims.sub", "repo:acme/shop"), true},
		{has("claims.sub", "repo"), false},
		{has("claims.realm_access.roles", "admin"), true},
		{has(`claims."https://acme/roles"`, "boss"), true},
		{is(`claims."a.b"."c\"d"`, "e"), true},
		{glob("claims.ref", "refs/heads/*"), true},
		{glob("claims.deep", "refs/heads/*"), false},
		{glob("claims.deep", "refs/heads/*/?"), true},
		{glob("claims.n", "*"), false},
		{glob("claims.one", "*"), false},
		{glob("claims.none", "*"), false},
		{re("claims.sub", "^repo:acme/[a-z]+$"), true},
		{re("claims.sub", "^repo:acme/[a-z]$"), false},
		{re("claims.lines", "^a.b$"), false},
		{re("claims.lines", "^a$"), false},
		{re("claims.n", "^7$"), false},
		{yes("claims.empty"), true},
		{yes("claims.no"), false},
		{yes("claims.none"), false},
		{yes("claims"), true},
		{yes("certificate"), false},
		{no("claims.no"), true},
		{no("claims.none"), true},
		{no("claims.ok"), false},
	} {
		c.condition.Fact = strings.ReplaceAll(c.condition.Fact, "no one", `"no one"`)
		_, err := compile(t, ingestIf(c.condition)).Map(who(t, claims))
		if err != nil && !errors.Is(err, mapping.ErrNoRule) || (err == nil) != c.want {
			t.Errorf("%+v: %v, want %v", c.condition, err, c.want)
		}
	}
}

func acme(project string) mapping.Condition {
	return mapping.Condition{Fact: "claims.sub", Regexp: "^repo:" + project + "/(?P<project>[^/:]*)(:.*)?$"}
}

func TestMap(t *testing.T) {
	team := mapping.Rule{Name: "team", When: []mapping.Condition{acme("acme")}, Roles: []mapping.Role{
		{Project: "{project}", Role: directory.RolePublisher, Topics: []string{"orders"}},
		{Project: "ci-{project}", Role: directory.RoleConsumer, Subscriptions: []string{"*"}},
	}}
	admin := mapping.Rule{Name: "admin", When: []mapping.Condition{yes("claims.admin")}, Roles: []mapping.Role{{Project: "shop", Role: directory.RoleProjectAdmin}}}
	user := mapping.Rule{Name: "user", When: []mapping.Condition{yes("claims.name")}, User: "{claims.name}"}
	byID := mapping.Rule{Name: "id", When: []mapping.Condition{yes("claims.by_id")}, User: "gh-{id}"}
	ingest := mapping.Rule{Name: "ingest", When: []mapping.Condition{yes("claims.ingest")}, Ingest: true}
	rules := []mapping.Rule{team, admin, user, byID, ingest}
	teamRoles := "[{shop publisher [orders] []} {ci-shop consumer [] [*]}]"
	for _, c := range []struct {
		match, claims, want string // Result, or the beginning of an error
	}{
		{"first", `{}`, "no rule of identities matches"},
		{"first", `{"sub": "repo:acme/shop"}`, "{[team]  " + teamRoles + " false }"},
		{"first", `{"sub": "repo:acme/shop", "admin": 1}`, "{[team]  " + teamRoles + " false }"},
		{"first", `{"admin": 1, "ingest": 1}`, "{[admin]  [{shop project_admin [] []}] false }"},
		{"first", `{"name": "pia"}`, "{[user] pia [] false }"},
		{"first", `{"by_id": 1}`, "{[id] gh-me [] false }"},
		{"first", `{"ingest": 1}`, "{[ingest]  [] true }"},
		{"first", `{"sub": "repo:acme/", "admin": 1}`, "rule team: a value of the identity cannot be part of a name: project is empty"},
		{"first", `{"sub": "repo:acme/*", "admin": 1}`, "rule team: a value of the identity cannot be part of a name: project "},
		{"first", `{"sub": "repo:acme/a.b", "admin": 1}`, "rule team: a value of the identity cannot be part of a name: project "},
		{"first", `{"sub": "repo:acme/_x"}`, "rule team: a value of the identity cannot be part of a name: project "},
		{"first", `{"name": 7}`, "rule user: a value of the identity cannot be part of a name: claims.name is not a text"},
		{"first", `{"name": ["pia"]}`, "rule user: a value of the identity cannot be part of a name: claims.name is not a text"},
		{"first", `{"name": "pia>"}`, "rule user: a value of the identity cannot be part of a name: claims.name "},
		{"first", fmt.Sprintf(`{"sub": "repo:acme/%s"}`, strings.Repeat("p", 127)), "rule team: a value of the identity cannot be part of a name: ci-{project} is 130 characters long"},
		{"all", `{}`, "no rule of identities matches"},
		{"all", `{"sub": "repo:acme/shop", "admin": 1, "ingest": 1}`, "{[team admin ingest]  [{shop publisher [orders] []} {ci-shop consumer [] [*]} {shop project_admin [] []}] true }"},
		{"all", `{"admin": 1, "ingest": 1}`, "{[admin ingest]  [{shop project_admin [] []}] true }"},
		{"all", `{"admin": 1, "sub": "repo:acme/*"}`, "rule team: a value of the identity cannot be part of a name: project "},
		{"all", `{"name": "pia", "admin": 1}`, "the rules that match give different users or profiles, or one of them and anything else: rules admin, user"},
		{"all", `{"name": "pia", "ingest": 1}`, "the rules that match give different users or profiles, or one of them and anything else: rules user, ingest"},
		{"all", `{"name": "pia", "by_id": 1}`, "the rules that match give different users or profiles, or one of them and anything else: rules user, id"},
		{"all", `{"name": "gh-me", "by_id": 1}`, "{[user id] gh-me [] false }"},
	} {
		r := compile(t, mapping.Config{Match: c.match, Rules: rules})
		got, err := r.Map(who(t, c.claims))
		text := fmt.Sprint(got)
		if err != nil {
			text = err.Error()
		}
		if text != c.want && (err == nil || !strings.HasPrefix(text, c.want)) {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.match, c.claims, text, c.want)
		}
		again, _ := r.Map(who(t, c.claims))
		if !reflect.DeepEqual(got, again) {
			t.Errorf("%s: %v, then %v", c.claims, got, again)
		}
	}
	if _, err := (*mapping.Rules)(nil).Map(who(t, "")); !errors.Is(err, mapping.ErrNoRule) {
		t.Errorf("without rules: %v", err)
	}
}

// Roles of a rule that needs no values are shared; a union does not change them.
func TestUnionLeavesRulesAlone(t *testing.T) {
	shop := []mapping.Role{{Project: "shop", Role: directory.RoleProjectAdmin}}
	lab := []mapping.Role{{Project: "lab", Role: directory.RoleProjectAdmin}}
	r := compile(t, mapping.Config{Match: "all", Rules: []mapping.Rule{
		{Name: "a", When: []mapping.Condition{yes("id")}, Roles: shop},
		{Name: "b", When: []mapping.Condition{yes("claims.b")}, Roles: lab},
		{Name: "c", When: []mapping.Condition{yes("claims.c")}, Roles: append(lab, shop...)},
	}})
	for range 3 {
		for claims, want := range map[string]int{`{"b": 1}`: 2, `{"c": 1}`: 3, `{"b": 1, "c": 1}`: 4, `{}`: 1} {
			if got, err := r.Map(who(t, claims)); err != nil || len(got.Roles) != want || got.Roles[0].Project != "shop" {
				t.Errorf("%s: %v, %v", claims, got, err)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	cfg := mapping.Config{Rules: []mapping.Rule{
		{Name: "a", When: []mapping.Condition{{Fact: "authority", Equals: "github"}, {Fact: "claims.groups", Contains: "x"}}, Ingest: true},
		{Name: "b", When: []mapping.Condition{{Fact: "claims.sub", In: []any{"s", int64(1)}}}, User: "{claims.name}"},
		{Name: "c", When: []mapping.Condition{yes("claims.sub")}, Ingest: true},
		{Name: "d", When: []mapping.Condition{no("claims.sub")}, Ingest: true},
		{Name: "e", When: []mapping.Condition{{Fact: "claims.none", Glob: "a<b"}}, Ingest: true},
	}}
	id := who(t, `{"sub": "s", "groups": ["y", 2], "name": "pia"}`)
	want := []mapping.Verdict{
		{Rule: "a", Condition: 1, Fact: "claims.groups", Expected: `contains "x"`, Found: `["y",2]`},
		{Rule: "b", Matched: true, Decided: true},
		{Rule: "c", Matched: true},
		{Rule: "d", Condition: 0, Fact: "claims.sub", Expected: "exists false", Found: `"s"`},
		{Rule: "e", Condition: 0, Fact: "claims.none", Expected: `glob "a<b"`},
	}
	if got := compile(t, cfg).Explain(id); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	cfg.Match, cfg.Rules = "all", append(cfg.Rules[:1:1], cfg.Rules[2:]...)
	if got := compile(t, cfg).Explain(id); !got[1].Decided {
		t.Errorf("all: %+v", got)
	}
	facts := []mapping.Fact{{"claims.groups", `["y",2]`}, {"claims.name", `"pia"`}, {"claims.sub", `"s"`}}
	cfg.Rules[0].Ingest, cfg.Rules[0].User = false, "{claims.name}"
	if got := compile(t, cfg).Facts(id); !reflect.DeepEqual(got, facts) {
		t.Errorf("facts: %v", got)
	}
}
