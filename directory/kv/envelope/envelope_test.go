package envelope_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv/envelope"
	"usher/directory/snapshot"
)

func kinds() []directory.Kind {
	return []directory.Kind{
		directory.KindUser, directory.KindKey, directory.KindProject, directory.KindMember, directory.KindTopic,
		directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL, directory.KindBan,
	}
}

func values() []directory.Value {
	at, by := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), uuid.MustParse("7c1f4f4e-4b7d-4b43-8f5e-0c8a7d8f2b11")
	made := directory.Made{Created: at, Modified: at, By: by}
	return []directory.Value{
		&directory.User{
			Name: "ada", Disabled: true, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleIngest}, Made: made,
			Limits:  directory.Limits{ConnectionTypes: []directory.ConnectionType{directory.ConnectionMQTT}},
			Profile: &directory.Profile{FirstName: "Ada", Email: "ada@example.org"},
		},
		&directory.Key{
			Digest: directory.DigestOf("ada"), Disabled: true, NotBefore: at, Expires: at, Created: at,
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		},
		&directory.Project{Name: "shop", Account: "APP", Description: "what is sold", Made: made},
		&directory.Member{Roles: []directory.Role{directory.RolePublisher}},
		&directory.Topic{Subject: "market.prices", Created: at},
		&directory.Subscription{Topic: "orders", AckDeadline: 10, Push: &directory.Push{Type: "http_endpoint", Endpoint: "https://example.org"}},
		&directory.ACL{Users: []uuid.UUID{by}},
		&directory.ACL{},
		&directory.Ban{
			Target: directory.BanTarget{Network: netip.MustParsePrefix("203.0.113.0/24")},
			Reason: "scan", By: "usher", Created: at, Until: at.Add(time.Hour),
		},
	}
}

// The encoding does not change: stored entries stay readable.
func TestGolden(t *testing.T) {
	for i, want := range []string{
		`{"v":1,"value":{"name":"ada","disabled":true,"service_roles":["ingest"],"limits":{"connection_types":["MQTT"]},"profile":{"first_name":"Ada","email":"ada@example.org"},"made":{"created":"2026-03-01T12:00:00.123456789Z","modified":"2026-03-01T12:00:00.123456789Z","by":"7c1f4f4e-4b7d-4b43-8f5e-0c8a7d8f2b11"}}}`,
		`{"v":1,"value":{"digest":"` + directory.DigestOf("ada").String() + `","disabled":true,"not_before":"2026-03-01T12:00:00.123456789Z","expires":"2026-03-01T12:00:00.123456789Z","networks":["10.0.0.0/8","2001:db8::/32"],"created":"2026-03-01T12:00:00.123456789Z"}}`,
		`{"v":1,"value":{"name":"shop","account":"APP","description":"what is sold","made":{"created":"2026-03-01T12:00:00.123456789Z","modified":"2026-03-01T12:00:00.123456789Z","by":"7c1f4f4e-4b7d-4b43-8f5e-0c8a7d8f2b11"}}}`,
		`{"v":1,"value":{"roles":["publisher"]}}`,
		`{"v":1,"value":{"subject":"market.prices","created":"2026-03-01T12:00:00.123456789Z"}}`,
		`{"v":1,"value":{"topic":"orders","ack_deadline":10,"push":{"type":"http_endpoint","endpoint":"https://example.org"}}}`,
		`{"v":1,"value":{"users":["7c1f4f4e-4b7d-4b43-8f5e-0c8a7d8f2b11"]}}`,
		`{"v":1,"value":{"users":null}}`,
		`{"v":1,"value":{"target":{"network":"203.0.113.0/24"},"reason":"scan","by":"usher","created":"2026-03-01T12:00:00.123456789Z","until":"2026-03-01T13:00:00.123456789Z"}}`,
	} {
		data, err := envelope.Encode(values()[i])
		if err != nil || string(data) != want {
			t.Errorf("%v, %s\nwant %s", err, data, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]error{
		`{"v":1,"value":{"name":"ada"}}`:             nil,
		` {"value":{"name":"ada"}, "v":1} `:          nil,
		`{"v":2,"value":{"name":"ada"}}`:             envelope.ErrNewer,
		`{"v":2,"value":{"name":"ada"},"more":true}`: envelope.ErrNewer,
		`{"v":2}`: envelope.ErrNewer,
		`{"v":1,"value":{"name":"ada"},"more":true}`:         envelope.ErrDamaged,
		`{"v":1,"value":{"name":"ada","more":true}}`:         envelope.ErrDamaged,
		`{"v":1,"value":{"name":7}}`:                         envelope.ErrDamaged,
		`{"v":1,"value":null}`:                               envelope.ErrDamaged,
		`{"v":1}`:                                            envelope.ErrDamaged,
		`{"v":0,"value":{"name":"ada"}}`:                     envelope.ErrDamaged,
		`{"v":-1,"value":{"name":"ada"}}`:                    envelope.ErrDamaged,
		`{"value":{"name":"ada"}}`:                           envelope.ErrDamaged,
		`{"v":1,"value":{"name":"ada"}`:                      envelope.ErrDamaged,
		`{"v":1,"value":{"name":"ada"}}}`:                    envelope.ErrDamaged,
		`{"v":1,"value":{"name":"ada"}}{}`:                   envelope.ErrDamaged,
		`{"v":1,"value":{"name":"ada"}{}}`:                   envelope.ErrDamaged,
		`{"v":1,"value":{"limits":{"connection_types":[]}}}`: envelope.ErrDamaged, // would lift the limit that it seems to set
		`{"v":1,"value":{"name":"ada","name":"eve"}}`:        nil,                 // as JSON has it, the last one counts
		`null`: envelope.ErrDamaged,
		`[]`:   envelope.ErrDamaged,
		``:     envelope.ErrDamaged,
		"\x00": envelope.ErrDamaged,
	} {
		if _, err := new(envelope.Decoder).Decode(directory.KindUser, []byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	if _, err := new(envelope.Decoder).Decode(directory.KindKey, []byte(`{"v":1,"value":{"digest":"`+directory.DigestOf("ada").String()+`","networks":[]}}`)); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("no networks: %v", err)
	}
	if _, err := new(envelope.Decoder).Decode("role", []byte(`{"v":1,"value":{}}`)); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("of no kind: %v", err)
	}
}

// Keys that are no API keys are of a version that older ushers do not read: they would
// take the digest, which is of a public text, for that of an API key.
func TestOtherKeys(t *testing.T) {
	k := &directory.Key{Digest: directory.CertificateDigest("CN=a"), Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: "CN=a"}}
	value := `"value":{"digest":"` + k.Digest.String() + `","other":{"kind":"certificate","dn":"CN=a"}}}`
	data, err := envelope.Encode(k)
	if err != nil || string(data) != `{"v":2,`+value {
		t.Errorf("%v, %s", err, data)
	}
	decoded, err := new(envelope.Decoder).Decode(directory.KindKey, data)
	if got, ok := decoded.(*directory.Key); err != nil || !ok || got.Other == nil || *got.Other != *k.Other {
		t.Errorf("%v, %+v", err, decoded)
	}
	for text, want := range map[string]error{
		`{"v":1,` + value: envelope.ErrDamaged,
		`{"v":2,"value":{"digest":"` + k.Digest.String() + `"}}`: envelope.ErrDamaged,
		`{"v":3,` + value: envelope.ErrNewer,
		`{"v":2,"value":{"digest":"` + k.Digest.String() + `","other":{"kind":"certificate","dn":"CN=a","more":1}}}`: envelope.ErrDamaged,
	} {
		if _, err := new(envelope.Decoder).Decode(directory.KindKey, []byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// A value that was accepted stays the same when it is written and read again.
func FuzzEntry(f *testing.F) {
	for i, v := range values() {
		data, err := envelope.Encode(v)
		callouttest.Must(f, err)
		f.Add(byte(i), data)
		f.Add(byte(i), data[:len(data)/2])
	}
	f.Add(byte(0), []byte(`{"v":2,"value":{}}`))
	f.Add(byte(1), []byte(`{"v":2,"value":{"digest":"`+directory.CertificateDigest("CN=a").String()+`","other":{"kind":"certificate","dn":"CN=a"}}}`))
	f.Add(byte(1), []byte(`{"V":1,"Value":{"DIGEST":"sha256:00"}}`))
	f.Add(byte(9), []byte(`{"v":1,"value":{}}`))
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		k := kinds()[int(kind)%len(kinds())]
		v, err := new(envelope.Decoder).Decode(k, data)
		if err != nil {
			if !errors.Is(err, envelope.ErrDamaged) && !errors.Is(err, envelope.ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		once, err := envelope.Encode(v)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		again, err := new(envelope.Decoder).Decode(k, once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := envelope.Encode(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s: %v", once, twice, err)
		}
		key := directory.EntryKey{Kind: k, Project: uuid.New(), User: uuid.New(), Name: "name"}
		e := directory.Entry{Key: key, Value: v}
		if e.Check() == nil { // a valid entry does not break a directory
			_, _, _ = snapshot.Empty().Apply([]directory.Entry{e})
		}
	})
}
