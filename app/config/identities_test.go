package config_test

import (
	"strings"
	"testing"

	"usher/app/config"
	"usher/identity"
	"usher/permissions/mapping"
)

// required is what every configuration needs (faults_test.go).
const identityRules = required + `identities:
  match: all
  rules:
    - name: ci
      when:
        - {fact: authority, equals: github}
        - {fact: claims.repository, in: [acme/shop, acme/lab]}
        - {fact: claims.attempt, equals: 1}
        - {fact: claims.sub, regexp: '^repo:acme/(?P<project>[a-z]+):.*$'}
        - {fact: 'claims."https://acme/roles"', contains: ci}
        - {fact: claims.fork, exists: false}
      roles:
        - {project: "{project}", role: publisher, topics: [orders]}
        - {project: shop, role: consumer, subscriptions: ["*"]}
        - {project: lab, role: project_admin}
    - name: hab
      when: [{fact: claims.ref, glob: "refs/heads/*"}]
      ingest: true
`

func TestIdentities(t *testing.T) {
	cfg, err := config.Parse("usher.yaml", []byte(identityRules))
	if err != nil {
		t.Fatal(err)
	}
	rules, problems := cfg.IdentityRules()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	id := identity.Identity{ID: "x", Authority: "github", Attributes: identity.Attributes{"claims": map[string]any{
		"repository": "acme/shop", "attempt": 1.0, "sub": "repo:acme/shop:x", "ref": "refs/heads/main", "https://acme/roles": []any{"ci"},
	}}}
	got, err := rules.Map(&id)
	if err != nil || len(got.Rules) != 2 || len(got.Roles) != 3 || got.Roles[0].Project != "shop" || !got.Ingest {
		t.Errorf("%+v, %v, %+v", got, err, rules.Explain(&id))
	}
}

func TestIdentityFaults(t *testing.T) {
	const when = "when: [{fact: id, exists: true}]"
	for rule, want := range map[string]string{
		"{name: r, " + when + ", user: pia}":                                          "",
		"{" + when + ", user: pia}":                                                   "identities.rules[0].name: is missing\n  hint: audit",
		"{name: r, user: pia}":                                                        "identities.rules[0].when: is missing\n  hint: to match every",
		"{name: r, when: [], user: pia}":                                              "identities.rules[0].when: must not be empty",
		"{name: r, " + when + "}":                                                     "identities.rules[0]: gives nothing\n  hint: set user",
		"{name: r, " + when + ", usr: pia}":                                           "identities.rules[0].usr: unknown key\n  hint: did you mean \"user\"?",
		"{name: r, " + when + ", user: pia, ingest: true}":                            "identities.rules[0].user: conflicts with roles and ingest",
		"{name: r, " + when + ", profile: p, user: a}":                                "identities.rules[0].profile: conflicts with user, roles and ingest",
		"{name: r, " + when + ", profile: p, ingest: true}":                           "identities.rules[0].profile: conflicts with user, roles and ingest",
		"{name: r, " + when + ", profile: p}":                                         "identities.rules[0].profile: names a profile, and the configuration has none",
		"{name: r, " + when + ", profile: '{id}'}":                                    "identities.rules[0].profile: names a profile, and the configuration has none",
		"{name: r, " + when + ", user: '{name}'}":                                     "identities.rules[0].user: inserts {name}, which no regexp",
		"{name: r, " + when + ", roles: [{project: shop, role: publisher}]}":          "identities.rules[0].roles[0].topics: must not be empty",
		"{name: r, " + when + ", roles: [{project: shop, role: admin}]}":              "identities.rules[0].roles[0].role: expected one of",
		"{name: r, " + when + ", roles: [{project: shop}]}":                           "identities.rules[0].roles[0].role: is missing",
		"{name: r, when: [{fact: id, equals: a, glob: b}], ingest: true}":             "identities.rules[0].when[0]: needs exactly one operator",
		"{name: r, when: [{fact: id, glob: 'a['}], ingest: true}":                     "identities.rules[0].when[0].glob: \"a[\" is no pattern",
		"{name: r, when: [{fact: id, regexp: a}], ingest: true}":                      "identities.rules[0].when[0].regexp: is not anchored",
		"{name: r, when: [{fact: id, equals: [a]}], ingest: true}":                    "identities.rules[0].when[0].equals: is not a text",
		"{name: r, when: [{fact: id, equal: a}], ingest: true}":                       "identities.rules[0].when[0].equal: unknown key",
		"{name: r, when: [{fact: claims.a b, equals: a}], ingest: true}":              "identities.rules[0].when[0].fact: has ' '",
		"{name: r, when: [{fact: id, equals: a}, {fact: id, in: [b]}], ingest: true}": "identities.rules[0].when[1]: contradicts when[0]",
		"{name: r, " + when + ", user: a}\n    - {name: s, " + when + ", user: b}":    "identities.rules[1].when: the rule never decides, because rules[0] (r)",
		"{name: r, " + when + ", user: a}\n    - {name: r, " + when + ", user: b}":    "identities.rules[1].name: \"r\" is there twice",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"identities:\n  rules:\n    - "+rule+"\n"))
		text := ""
		if err != nil {
			_, text, _ = strings.Cut(err.Error(), ": ")
		}
		if (text == "") != (want == "") || !strings.HasPrefix(text, want) || strings.Count(text, "usher.yaml:") > 0 {
			t.Errorf("%s:\ngot  %v\nwant %s", rule, err, want)
		}
	}
}

// The words of the documentation are those of the package.
func TestMatchValues(t *testing.T) {
	if mapping.MatchFirst != "first" || mapping.MatchAll != "all" {
		t.Error("the rule of identities.match says something else")
	}
}
