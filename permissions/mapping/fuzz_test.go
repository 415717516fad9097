package mapping_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions/mapping"
)

// FuzzPath: a path that is accepted finds the value that it names, and only this.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"id", "claims.sub", "claims.a.b.c", `claims."https://acme/roles"`, `claims."a.b"."c\"d"`, `claims."\x00"`, "claims.cognito:groups", "claims..a", `"id"`, "a b", `"`} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, problems := mapping.New(ingestIf(yes(text)))
		if len(problems) > 0 {
			return
		}
		keys := keysOf(t, text)
		if keys[0] == "id" || keys[0] == "authority" || keys[0] == "method" {
			return
		}
		id := identity.Identity{Authority: "a", Attributes: nest(keys)}
		if _, err := r.Map(&id); err != nil {
			t.Errorf("%s does not find %q: %v", text, keys, err)
		}
		if len(keys) > 1 {
			id.Attributes = nest(keys[:len(keys)-1])
			if _, err := r.Map(&id); !errors.Is(err, mapping.ErrNoRule) {
				t.Errorf("%s finds something in %v", text, id.Attributes)
			}
		}
	})
}

// keysOf splits a valid path in a simple way: every second piece between quotes is one key.
func keysOf(t *testing.T, text string) []string {
	t.Helper()
	var keys []string
	for rest := text; rest != ""; rest = strings.TrimPrefix(rest, ".") {
		if rest[0] != '"' {
			key, tail, _ := strings.Cut(rest, ".")
			keys, rest = append(keys, key), tail
			continue
		}
		end := 1
		for ; rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
		keys, rest = append(keys, unquote(t, rest[:end+1])), rest[end+1:]
	}
	return keys
}

func nest(keys []string) identity.Attributes {
	var at any = "value"
	for i := len(keys) - 1; i >= 0; i-- {
		at = map[string]any{keys[i]: at}
	}
	m, _ := at.(map[string]any)
	return m
}

// FuzzTemplate: whatever a template inserts, the result is one name, made of its literal
// texts and of values that are names.
func FuzzTemplate(f *testing.F) {
	for _, seed := range [][2]string{
		{"{claims.a}", "pia"},
		{"x-{claims.a}", "pia"},
		{"{claims.a}", "_pia"},
		{"{claims.a}{claims.a}", "*"},
		{"{id}", ">"},
		{"{group}", "a.b"},
		{"{group}-{id}", "a"},
		{`{claims."a"}`, "\x00"},
		{"{claims.a", "x"},
		{"}{", "x"},
		{"{claims.a}.{id}", "x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, template, value string) {
		rule := mapping.Rule{Name: "r", When: []mapping.Condition{{Fact: "claims.a", Regexp: "(?s)^(?P<group>.*)$"}}, User: template}
		r, problems := mapping.New(mapping.Config{Rules: []mapping.Rule{rule}})
		if len(problems) > 0 {
			return
		}
		got, err := r.Map(&identity.Identity{ID: value, Attributes: identity.Attributes{"claims": map[string]any{"a": value}}})
		switch {
		case err == nil && directory.CheckName(got.User) != nil:
			t.Errorf("%q with %q gives %q", template, value, got.User)
		case err != nil && !errors.Is(err, mapping.ErrValue):
			t.Errorf("%q with %q: %v", template, value, err)
		case err == nil && strings.Contains(template, "{") && directory.CheckName(value) != nil:
			t.Errorf("%q inserted %q: %q", template, value, got.User)
		}
	})
}

// FuzzRules: rules that are accepted give the same for the same identity, nothing but
// names, and an explanation that agrees.
func FuzzRules(f *testing.F) {
	f.Add("claims.a", "x", "claims.b", "^(?P<p>[a-z]+)$", "{p}", `{"a": "x", "b": "shop"}`, false)
	f.Add("claims.a", "x", "claims.b", "^(?P<p>.*)$", "ci-{p}", `{"a": ["x"], "b": "*"}`, true)
	f.Add("id", "me", "claims.groups", "^a$", "shop", `{"groups": [1, null, {"a": true}]}`, true)
	f.Fuzz(func(t *testing.T, fact, value, other, re, project, claims string, all bool) {
		cfg := mapping.Config{Match: mapping.MatchFirst, Rules: []mapping.Rule{
			{Name: "a", When: []mapping.Condition{{Fact: fact, Contains: value}, {Fact: other, Regexp: re}}, Roles: []mapping.Role{{Project: project, Role: directory.RoleProjectAdmin}}},
			{Name: "b", When: []mapping.Condition{{Fact: other, Glob: value}}, Ingest: true},
		}}
		if all {
			cfg.Match = mapping.MatchAll
		}
		r, problems := mapping.New(cfg)
		var attributes map[string]any
		if len(problems) > 0 || json.Unmarshal([]byte(claims), &attributes) != nil {
			return
		}
		id := identity.Identity{Authority: "x", ID: "me", Attributes: identity.Attributes{"claims": attributes}}
		got, err := r.Map(&id)
		again, errAgain := r.Map(&id)
		if !reflect.DeepEqual(got, again) || (err == nil) != (errAgain == nil) {
			t.Errorf("%v, then %v", got, again)
		}
		var decided []string
		for _, v := range r.Explain(&id) {
			if v.Decided {
				decided = append(decided, v.Rule)
			}
		}
		if err == nil && !reflect.DeepEqual(decided, got.Rules) || errors.Is(err, mapping.ErrNoRule) && decided != nil {
			t.Errorf("explained as %v, mapped by %v: %v", decided, got.Rules, err)
		}
		for _, role := range got.Roles {
			if err == nil && directory.CheckName(role.Project) != nil {
				t.Errorf("project %q", role.Project)
			}
		}
	})
}

func unquote(t *testing.T, quoted string) string {
	t.Helper()
	key, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
