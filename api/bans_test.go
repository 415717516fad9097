package api_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/api/wire"
	"usher/directory"
)

// A ban has a target, an end, a reason and an author, and can be lifted. It is audited.
func TestBans(t *testing.T) {
	s := start(t, nil, nil)
	made := decode[wire.Ban](t, s.root(200, "POST", "/v1/bans", `{"network":"203.0.113.7","reason":"scans","for":"1h"}`))
	sameJSON(t, "made", s.root(200, "GET", "/v1/bans/"+made.ID, "").text, fmt.Sprintf(
		`{"id":%q,"network":"203.0.113.7/32","reason":"scans","by":"root","created_on":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z","in_force":true}`, made.ID))
	if c := s.lastChange(); c.Action != "ban.create" || c.Actor != "root" || !strings.Contains(string(c.After), "scans") {
		t.Errorf("audited %+v", c)
	}
	s.root(200, "POST", "/v1/bans", `{"id":"of-pub","user":"pub","reason":"left","until":"2026-03-02T00:00:00Z"}`)
	if s.accepts(s.keys["pub"]) {
		t.Error("the key of a banned user is accepted")
	}
	if !strings.Contains(s.logged(), "ban of-pub until") {
		t.Error("the log does not name the ban")
	}
	s.root(409, "POST", "/v1/bans", `{"id":"of-pub","user":"pub","reason":"again","for":"1h"}`)
	if list := decode[wire.BanList](t, s.root(200, "GET", "/v1/bans?pageSize=1", "")); list.TotalSize != 2 || len(list.Bans) != 1 || list.NextPageToken == "" {
		t.Errorf("%+v", list)
	}
	s.root(200, "DELETE", "/v1/bans/of-pub", "")
	s.root(404, "DELETE", "/v1/bans/of-pub", "")
	if !s.accepts(s.keys["pub"]) {
		t.Error("the ban was lifted, and the key is refused")
	}
	s.root(404, "POST", "/v1/bans", `{"user":"pub","key":"defualt","reason":"left","for":"1h"}`)
	for _, of := range []string{`"user":"pub","key":"default"`, `"digest":"` + directory.DigestOf(s.keys["pub"]).String() + `"`} {
		b := decode[wire.Ban](t, s.root(200, "POST", "/v1/bans", `{`+of+`,"reason":"left","for":"1h"}`))
		if s.accepts(s.keys["pub"]) {
			t.Errorf("the ban of %s does not hold", of)
		}
		s.root(200, "DELETE", "/v1/bans/"+b.ID, "")
	}
	s.root(200, "POST", "/v1/bans", `{"id":"short","user":"pub","reason":"left","for":"1h"}`)
	s.now.Add(3600)
	if !s.accepts(s.keys["pub"]) {
		t.Error("an ended ban holds")
	}
	s.root(200, "POST", "/v1/bans", `{"id":"short","user":"pub","reason":"again","for":"1h"}`) // in place of the ended one
}

// Attack: an administrator bans everybody who could lift the ban
// Held by: a ban must leave a service_admin with a key that is not banned
func TestBanLocksOut(t *testing.T) {
	s := start(t, nil, nil)
	root := s.keys["root"]
	for _, of := range []string{`"user":"root"`, `"user":"root","key":"default"`, `"digest":"` + directory.DigestOf(root).String() + `"`} {
		if e := s.root(409, "POST", "/v1/bans", `{`+of+`,"reason":"r","for":"1h"}`); !strings.Contains(e.text, "service_admin") {
			t.Errorf("%s: %s", of, e.text)
		}
	}
	s.root(200, "POST", "/v1/users/second", `{"service_roles":["service_admin"]}`)
	s.root(200, "POST", "/v1/bans", `{"user":"root","reason":"r","for":"1h"}`)
	if s.accepts(root) {
		t.Error("root is banned, and its key is accepted")
	}
}

func TestBadBans(t *testing.T) {
	s := start(t, nil, nil)
	for body, want := range map[string]string{
		`{"reason":"r","for":"1h"}`:                                             "exactly one target",
		`{"user":"pub","network":"10.0.0.0/8","reason":"r","for":"1h"}`:         "exactly one target",
		`{"user":"pub","reason":"r"}`:                                           "needs an end",
		`{"user":"pub","reason":"r","for":"1h","until":"2030-01-01T00:00:00Z"}`: "no until",
		`{"user":"pub","reason":"r","for":"-1h"}`:                               "expected a duration",
		`{"user":"pub","reason":"r","until":"2020-01-01T00:00:00Z"}`:            "in the past",
		`{"user":"pub","reason":"r","for":"100000h"}`:                           "10 years",
		`{"user":"pub","for":"1h"}`:                                             "reason",
		`{"user":"pub","reason":"a\nb","for":"1h"}`:                             "one line",
		`{"network":"0.0.0.0/0","reason":"r","for":"1h"}`:                       "too large",
		`{"network":"here","reason":"r","for":"1h"}`:                            "expected an address or a network",
		`{"digest":"x","reason":"r","for":"1h"}`:                                "sha256:",
		`{"key":"default","reason":"r","for":"1h"}`:                             "user of the key",
		`{"authority":"https://id.example.org","reason":"r","for":"1h"}`:        "identity_id",
		`{"id":"a.b","user":"pub","reason":"r","for":"1h"}`:                     "name",
	} {
		if e := s.root(400, "POST", "/v1/bans", body); !strings.Contains(e.text, want) {
			t.Errorf("%s: %s", body, e.text)
		}
	}
	s.root(404, "POST", "/v1/bans", `{"user":"ghost","reason":"r","for":"1h"}`)
	if n := len(decode[wire.BanList](t, s.root(200, "GET", "/v1/bans", "")).Bans); n != 0 {
		t.Errorf("%d bans", n)
	}
}
