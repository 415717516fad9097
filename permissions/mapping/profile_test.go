package mapping_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"usher/directory"
	"usher/permissions/mapping"
)

// A profile stands alone: with anything else that another rule gives, nothing is given.
func TestMapProfile(t *testing.T) {
	profile := func(name, fact, template string) mapping.Rule {
		return mapping.Rule{Name: name, When: []mapping.Condition{yes(fact)}, Profile: template}
	}
	rules := []mapping.Rule{
		profile("fixed", "claims.fixed", "reader"),
		profile("again", "claims.again", "reader"),
		profile("named", "claims.service", "{claims.service}"),
		{Name: "user", When: []mapping.Condition{yes("claims.user")}, User: "pia"},
		{Name: "roles", When: []mapping.Condition{yes("claims.roles")}, Roles: []mapping.Role{{Project: "shop", Role: directory.RoleProjectAdmin}}},
		{Name: "ingest", When: []mapping.Condition{yes("claims.ingest")}, Ingest: true},
	}
	const ambiguous = "the rules that match give different users or profiles, or one of them and anything else: rules "
	for _, c := range []struct{ match, claims, want string }{
		{"first", `{"fixed": 1}`, "[fixed] reader"},
		{"first", `{"fixed": 1, "service": "writer", "ingest": 1}`, "[fixed] reader"},
		{"first", `{"service": "writer"}`, "[named] writer"},
		{"first", `{"service": "nobody"}`, "[named] nobody"}, // whether it exists is decided later
		{"first", `{"service": "a.b", "ingest": 1}`, "rule named: a value of the identity cannot be part of a name: claims.service"},
		{"first", `{"service": ["writer"]}`, "rule named: a value of the identity cannot be part of a name: claims.service is not a text"},
		{"first", `{"service": ">"}`, "rule named: a value of the identity cannot be part of a name: claims.service"},
		{"all", `{"fixed": 1, "again": 1}`, "[fixed again] reader"},
		{"all", `{"fixed": 1, "service": "reader"}`, "[fixed named] reader"},
		{"all", `{"fixed": 1, "service": "writer"}`, ambiguous + "fixed, named"},
		{"all", `{"fixed": 1, "user": 1}`, ambiguous + "fixed, user"},
		{"all", `{"fixed": 1, "roles": 1}`, ambiguous + "fixed, roles"},
		{"all", `{"fixed": 1, "ingest": 1}`, ambiguous + "fixed, ingest"},
	} {
		r := compile(t, mapping.Config{Match: c.match, Rules: rules, Profiles: []string{"reader", "writer"}})
		got, err := r.Map(who(t, c.claims))
		text := fmt.Sprint(got.Rules, " ", got.Profile)
		if err != nil {
			text = err.Error()
			if got.Profile != "" {
				t.Errorf("%s: an error and profile %s", c.claims, got.Profile)
			}
		}
		if !strings.HasPrefix(text, c.want) || err == nil && (got.User != "" || got.Roles != nil || got.Ingest) {
			t.Errorf("%s %s: %s, want %s", c.match, c.claims, text, c.want)
		}
	}
}

// FuzzProfile: whatever an identity says, the profile that a rule gives is one name, and
// stands alone.
func FuzzProfile(f *testing.F) {
	f.Add("{claims.a}", "reader", false)
	f.Add("{claims.a}", "*", false)
	f.Add("x-{claims.a}", "a.b", true)
	f.Add("reader", "reader", true)
	f.Fuzz(func(t *testing.T, template, value string, ingest bool) {
		r, problems := mapping.New(mapping.Config{Match: mapping.MatchAll, Profiles: []string{"reader"}, Rules: []mapping.Rule{
			{Name: "p", When: []mapping.Condition{yes("claims.a")}, Profile: template},
			{Name: "i", When: []mapping.Condition{{Fact: "claims.ingest", Equals: true}}, Ingest: true},
		}})
		if len(problems) > 0 {
			return
		}
		id := who(t, "")
		id.Attributes = map[string]any{"claims": map[string]any{"a": value, "ingest": ingest}}
		got, err := r.Map(id)
		switch {
		case err == nil && (directory.CheckName(got.Profile) != nil || got.Ingest || ingest):
			t.Errorf("%q with %q gives %+v", template, value, got)
		case err != nil && !errors.Is(err, mapping.ErrValue) && !errors.Is(err, mapping.ErrAmbiguous):
			t.Errorf("%q with %q: %v", template, value, err)
		case err != nil && got.Profile != "":
			t.Errorf("%q with %q: %+v and %v", template, value, got, err)
		}
	})
}
