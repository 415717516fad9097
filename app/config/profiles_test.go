package config_test

import (
	"reflect"
	"strings"
	"testing"

	"usher/app/config"
	"usher/permissions"
)

const (
	applications = `  - name: applications-service
    account: EVENTS
    publish: ["_INBOX.>", _STAN.sub.event-service]
    subscribe: ["_INBOX.>", "habitat.event.>"]
`
	byCN = `credentials:
  x509: {identity: cn}
identities:
  rules:
    - {name: services, when: [{fact: authority, equals: x509}], profile: "{id}"}
`
)

func TestProfiles(t *testing.T) {
	cfg, err := config.Parse("usher.yaml", []byte(required+byCN+"profiles:\n"+applications+"  - {name: reader, account: EVENTS, subscribe: ['>']}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []permissions.Profile{
		{Name: "applications-service", Account: "EVENTS", Publish: []string{"_INBOX.>", "_STAN.sub.event-service"}, Subscribe: []string{"_INBOX.>", "habitat.event.>"}},
		{Name: "reader", Account: "EVENTS", Publish: []string{}, Subscribe: []string{">"}},
	}
	if got := cfg.GrantProfiles(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, problems := cfg.IdentityRules(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestProfileFaults(t *testing.T) {
	rule := strings.Replace(byCN, "{id}", "aplications-service", 1)
	for text, want := range map[string]string{
		applications + rule:                                                                                    "identities.rules[0].profile: there is no profile \"aplications-service\"\n  hint: did you mean applications-service?",
		"  - {name: p, account: AUTH, publish: [a]}\n":                                                         "profiles[0].account: is the same account as accounts.callout (\"AUTH\")\n  hint: usher never",
		"  - {name: p, account: SYS, publish: [a]}\n":                                                          "profiles[0].account: is the same account as accounts.system (\"SYS\")\n  hint: a service is",
		"  - {name: p, publish: [a]}\n":                                                                        "profiles[0].account: is missing\n  hint: an account of",
		"  - {account: A, publish: [a]}\n":                                                                     "profiles[0].name: is missing\n  hint: a rule of",
		"  - {name: p, account: A}\n":                                                                          "profiles[0].publish: is empty, and so is subscribe\n  hint: a service that",
		"  - {name: p, account: A, publish: [], subscribe: []}\n":                                              "profiles[0].publish: is empty, and so is subscribe",
		"  - {name: p, account: A, publish: [a]}\n  - {name: p, account: B, publish: [b]}\n":                   "profiles[1].name: \"p\" is there twice, first in entry 1",
		"  - {name: ingest, account: A, publish: [a]}\n":                                                       "profiles[0].name: is the name of a profile of usher's own\n  hint: a rule of identities gives it",
		"  - {name: healthcheck, account: A, publish: [a]}\n":                                                  "profiles[0].name: is the name of a profile of usher's own\n  hint: choose",
		"  - {name: a.b, account: A, publish: [a]}\n":                                                          "profiles[0].name: name \"a.b\"",
		"  - {name: p, account: A, publish: [a, 'b..c']}\n":                                                    "profiles[0].publish[1]: \"b..c\" is not a subject\n  hint: tokens with dots",
		"  - {name: p, account: A, subscribe: ['habitat.event.> automate']}\n":                                 "profiles[0].subscribe[0]: \"habitat.event.> automate\" is not a subject\n  hint: name the subject alone",
		"  - {name: p, account: A, subscribe: [$SYS.REQ.USER.AUTH]}\n":                                         "profiles[0].subscribe[0]: \"$SYS.REQ.USER.AUTH\" reaches $SYS.REQ.USER.AUTH",
		"  - {name: p, account: A, publish: ['$SYS.>']}\n":                                                     "profiles[0].publish[0]: \"$SYS.>\" reaches $SYS.REQ.USER.AUTH",
		"  - {name: p, account: A, publish: ['$JS.API.>']}\n":                                                  "profiles[0].publish[0]: \"$JS.API.>\" has no exact number of tokens below $JS\n  hint: write one subject",
		"  - {name: p, account: A, subscribe: ['*']}\n":                                                        "profiles[0].subscribe[0]: \"*\" reaches $SYS.REQ.USER.AUTH\n  hint: nats-server lets",
		"  - {name: p, account: A, publish: ['*.>']}\n":                                                        "profiles[0].publish[0]: \"*.>\" reaches $SYS.REQ.USER.AUTH\n  hint: begin with",
		"  - {name: p, account: A, publish: [a, a]}\n":                                                         "profiles[0].publish[1]: \"a\" is there twice",
		"  - {name: p, account: A, publish: a}\n":                                                              "profiles[0].publish: expected a list",
		"  - {name: p, account: A, publishes: [a]}\n":                                                          "profiles[0].publishes: unknown key\n  hint: did you mean \"publish\"?",
		"  - {name: p, account: A, publish: [SOAGRP5ZF6GRCI4JIN3LXSSVOPLHVZYJXK4YIZ7FSXB3OWZ4ABCDEFGHIJ b]}\n": "profiles[0].publish[0]: ",
		"  - {name: p, account: A, publish: ['$SYS.REQ.USER.AUTH.x', '>', 'a.*'], subscribe: ['a.*']}\n":       "",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"profiles:\n"+text))
		got := ""
		if err != nil {
			_, got, _ = strings.Cut(err.Error(), ": ")
		}
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) || strings.Contains(got, "SOAGRP5") || strings.Contains(got, "usher.yaml:") {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}
