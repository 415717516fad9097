package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/internal/phc"
)

func publicNKey(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	callouttest.Must(t, err)
	public, err := pair.PublicKey()
	callouttest.Must(t, err)
	return public
}

// Keys of each kind are added, shown, changed and removed.
func TestOtherKeys(t *testing.T) {
	nkey := publicNKey(t)
	for _, tt := range []struct {
		noun, field, body, shown string
		digest                   directory.Digest
	}{
		{"nkey", "nkeys", `"nkey":"` + nkey + `"`, `"nkey":"` + nkey + `"`, directory.NKeyDigest(nkey)},
		{"certificate", "certificates", `"subject":"CN=a,O=b"`, `"subject":"CN=a,O=b"`, directory.CertificateDigest("CN=a,O=b")},
		{
			"binding", "bindings", `"subject":"CN=a","service_type":"ams","host":"ams.example.org"`, `"subject":"CN=a","service_type":"ams","host":"ams.example.org"`,
			directory.BindingDigest("CN=a", "ams", "ams.example.org"),
		},
	} {
		t.Run(tt.noun, func(t *testing.T) {
			s := start(t, nil, nil)
			all := "/v1/users/pub/" + tt.field
			sameJSON(t, "none", s.root(200, "GET", all, "").text, `{"`+tt.field+`":[],"nextPageToken":"","totalSize":0}`)
			first := `{"name":"laptop","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-02T12:00:00Z","source_networks":["192.0.2.0/24"],` + tt.shown + `}`
			sameJSON(t, "created", s.root(200, "POST", all, `{"name":"laptop","expires_in":"24h","source_networks":["192.0.2.0/24"],`+tt.body+`}`).text, first)
			if c := s.lastChange(); c.Action != tt.noun+".create" || c.Before != nil || c.Resource != "/users/pub/"+tt.field {
				t.Errorf("audited %+v", c)
			} else {
				sameJSON(t, "audited", string(c.After), first)
			}
			sameJSON(t, "shown", s.root(200, "GET", all+"/laptop", "").text, first)
			sameJSON(t, "listed", s.root(200, "GET", all, "").text, `{"`+tt.field+`":[`+first+`],"nextPageToken":"","totalSize":1}`)
			rec, ok := s.store.Snapshot().LookupKey(tt.digest)
			if !ok || rec.User.Name != "pub" || rec.Key.ID != "laptop" {
				t.Errorf("%v, %+v", ok, rec.Key)
			}
			if keys := s.root(200, "GET", "/v1/users/pub/keys", "").text; strings.Contains(keys, "laptop") {
				t.Errorf("it is listed as an API key: %s", keys)
			}

			s.root(409, "POST", all, `{"name":"laptop",`+tt.body+`}`)                       // the name is taken
			s.root(409, "POST", all, `{"name":"other",`+tt.body+`}`)                        // the user has it
			s.root(409, "POST", "/v1/users/con/"+tt.field, `{"name":"other",`+tt.body+`}`)  // another user has it
			s.root(409, "POST", "/v1/users/pub/keys", `{"name":"laptop"}`)                  // also for an API key
			s.root(404, "GET", "/v1/users/pub/keys/laptop", "")                             // it is no API key
			s.root(404, "DELETE", "/v1/users/pub/keys/laptop", "")                          //
			s.root(404, "POST", "/v1/users/pub:refreshToken", `{"key":"laptop"}`)           //
			s.root(404, "POST", "/v1/users/none/"+tt.field, `{"name":"other",`+tt.body+`}`) // no such user
			s.root(400, "POST", all, `{"name":"more"}`)                                     // nothing in it
			s.root(400, "POST", all, `{"name":"a.b",`+tt.body+`}`)                          //
			s.root(400, "POST", all, `{"name":"more","expires_in":"soon",`+tt.body+`}`)     //
			s.root(400, "PUT", all+"/laptop", `{"source_networks":["somewhere"]}`)          //
			s.root(400, "PUT", all+"/laptop", `{"not_before":"2030-01-01T00:00:00Z"}`)      // it would never be valid
			s.root(409, "PUT", all+"/laptop", `{"enabled":false}`, "If-Match", `"999"`)     //
			s.root(404, "PUT", all+"/none", `{"enabled":false}`)                            //

			changed := `{"name":"laptop","enabled":false,"created_on":"2026-03-01T12:00:00Z",` + tt.shown + `}`
			sameJSON(t, "changed", s.root(200, "PUT", all+"/laptop", `{"enabled":false,"expires_in":"never","source_networks":[]}`).text, changed)
			if c := s.lastChange(); c.Action != tt.noun+".update" {
				t.Errorf("audited %+v", c)
			} else {
				sameJSON(t, "before", string(c.Before), first)
				sameJSON(t, "after", string(c.After), changed)
			}
			s.root(200, "DELETE", all+"/laptop", "")
			if _, ok := s.store.Snapshot().LookupKey(tt.digest); ok {
				t.Error("it is still there")
			}
			s.root(404, "DELETE", all+"/laptop", "")
			for _, who := range []string{"pub", "lab-admin"} {
				if got := s.as(who, "POST", all, `{"name":"mine",`+tt.body+`}`); got.code != http.StatusForbidden {
					t.Errorf("%s: %d", who, got.code)
				}
			}
		})
	}
}

// A password is kept as its hash, which no response and no audit record contains.
func TestPassword(t *testing.T) {
	s := start(t, nil, nil)
	const path, text = "/v1/users/pub/password", "correct horse battery"
	s.root(404, "GET", path, "")
	s.root(404, "DELETE", path, "")
	for _, body := range []string{
		`{}`, `{"enabled":true}`, `{"password":""}`, `{"password":"a","hash":"b"}`, `{"hash":"` + text + `"}`,
		`{"hash":"$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"}`, `{"password":"` + strings.Repeat("a", 1025) + `"}`,
	} {
		s.root(400, "PUT", path, body)
	}
	s.root(404, "PUT", "/v1/users/none/password", `{"password":"`+text+`"}`)

	shown := `{"name":"password","enabled":true,"created_on":"2026-03-01T12:00:00Z","expires_on":"2026-03-02T12:00:00Z","algorithm":"argon2id"}`
	set := s.root(200, "PUT", path, `{"password":"`+text+`","expires_in":"24h"}`)
	sameJSON(t, "set", set.text, shown)
	pub, _ := s.store.Snapshot().User("pub")
	rec, ok := s.store.Snapshot().LookupKey(directory.PasswordDigest(pub.ID))
	if !ok {
		t.Fatal("there is no password")
	}
	if matches, err := phc.Matches(rec.Key.Other.PasswordHash, text); err != nil || !matches {
		t.Errorf("%v, %v", matches, err)
	}
	s.root(409, "PUT", path, `{"enabled":false}`, "If-Match", `"999"`)
	disabled := s.root(200, "PUT", path, `{"enabled":false,"expires_in":"never"}`, "If-Match", set.Get("ETag"))
	sameJSON(t, "disabled", disabled.text, `{"name":"password","enabled":false,"created_on":"2026-03-01T12:00:00Z","algorithm":"argon2id"}`)
	if c := s.lastChange(); c.Action != "password.set" || c.Resource != "/users/pub/password" {
		t.Errorf("audited %+v", c)
	} else {
		sameJSON(t, "before", string(c.Before), shown)
	}
	again, _ := s.store.Snapshot().LookupKey(rec.Key.Digest)
	if again.Key.Other.PasswordHash != rec.Key.Other.PasswordHash || !again.Key.Disabled {
		t.Errorf("%+v", again.Key)
	}
	imported := decode[wire.Password](t, s.root(200, "PUT", path, `{"hash":"$2a$10$abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe","enabled":true}`))
	if imported.Algorithm != "bcrypt" || !imported.Enabled {
		t.Errorf("%+v", imported)
	}
	s.root(409, "POST", "/v1/users/pub/keys", `{"name":"password"}`)
	s.root(200, "DELETE", path, "")
	s.root(404, "GET", path, "")
	s.root(200, "POST", "/v1/users/pub/keys", `{"name":"password"}`)
	s.root(409, "PUT", path, `{"password":"`+text+`"}`) // an API key has the name
	audited := ""
	for _, c := range s.changes() {
		audited += string(c.Before) + string(c.After) + c.Cause
	}
	for _, part := range []string{text, rec.Key.Other.PasswordHash, "abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe"} {
		for _, shown := range append(s.responses, s.logged(), audited) {
			if strings.Contains(shown, part) {
				t.Errorf("%q is shown: %s", part, shown)
			}
		}
	}
}
