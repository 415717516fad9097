package kv_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// write writes an entry by hand, as "nats kv put" does.
func write(tb testing.TB, c *nats.Conn, key, value string, header ...string) {
	tb.Helper()
	m := nats.NewMsg("$KV.usher." + key)
	m.Data = []byte(value)
	for i := 0; i < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	answer, err := c.RequestMsg(m, 10*time.Second)
	callouttest.Must(tb, err)
	if strings.Contains(string(answer.Data), `"error"`) {
		tb.Fatalf("%s", answer.Data)
	}
}

// Faulty entries that another program has written are reported once, do not affect other
// entries, and are repaired by a good one.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	ada, bob := directory.IDOf(directory.KindUser, "ada"), directory.IDOf(directory.KindUser, "bob")
	const known, unknown, undecided = "known", "unknown", "undecided"
	entry := func(k directory.EntryKey) string { return k.String() }
	tests := map[string]struct {
		key, value  string
		header      []string
		ada, nobody string
		topic       bool // ada may publish to the orders
		repaired    directory.Value
	}{
		"a damaged user": {
			entry(directory.UserKey(ada)), `{"v":1,"value":{"na`, nil, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"a user of a newer usher": {
			entry(directory.UserKey(ada)), `{"v":2,"value":{"name":"ada","clearance":5}}`, nil, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"a user with a wildcard for a name": {
			entry(directory.UserKey(ada)), `{"v":1,"value":{"name":">"}}`, nil, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"a user with two tokens for a name": {
			entry(directory.UserKey(ada)), `{"v":1,"value":{"name":"ada.*"}}`, nil, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"a user with a service role that is none": {
			entry(directory.UserKey(ada)), `{"v":1,"value":{"name":"ada","service_roles":["root"]}}`, nil, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"a user that expires": {
			entry(directory.UserKey(ada)), `{"v":1,"value":{"name":"ada"}}`, []string{"Nats-TTL", "1h"}, undecided, unknown, false, &directory.User{Name: "ada"},
		},
		"another user": {
			entry(directory.UserKey(bob)), `x`, nil, known, unknown, true, &directory.User{Name: "bob"},
		},
		"a damaged key": {
			entry(directory.KeyKey(ada, "default")), ``, nil, undecided, undecided, true, &directory.Key{Digest: directory.DigestOf("ada")},
		},
		"a key of a newer usher": {
			entry(directory.KeyKey(bob, "default")), `{"v":3,"value":{}}`, nil, known, undecided, true, &directory.Key{Digest: directory.DigestOf("bob")},
		},
		"the key of no key": {
			entry(directory.KeyKey(ada, "default")), `{"v":1,"value":{"digest":"` + directory.DigestOf("").String() + `"}}`, nil, undecided, undecided, true, &directory.Key{Digest: directory.DigestOf("ada")},
		},
		"a project with a wildcard for a name": {
			entry(directory.ProjectKey(shop())), `{"v":1,"value":{"name":"*","account":"APP"}}`, nil, known, unknown, false, &directory.Project{Name: "shop", Account: "APP"},
		},
		"a project without an account": {
			entry(directory.ProjectKey(shop())), `{"v":1,"value":{"name":"shop"}}`, nil, known, unknown, false, &directory.Project{Name: "shop", Account: "APP"},
		},
		"a topic with a subject of its own that is none": {
			entry(directory.ResourceKey(directory.KindTopic, shop(), "orders")), `{"v":1,"value":{"subject":"shop.."}}`, nil, known, unknown, false, &directory.Topic{},
		},
		"a topic with a wildcard for a subject": {
			entry(directory.ResourceKey(directory.KindTopic, shop(), "orders")), `{"v":1,"value":{"subject":">"}}`, nil, known, unknown, false, &directory.Topic{},
		},
		"a topic with a profile's subject": {
			entry(directory.ResourceKey(directory.KindTopic, shop(), "orders")), `{"v":1,"value":{"subject":"healthcheck.x"}}`, nil, known, unknown, false, &directory.Topic{},
		},
		"a member without a role": {
			entry(directory.MemberKey(shop(), ada)), `{"v":1,"value":{"roles":[]}}`, nil, known, unknown, false, &directory.Member{Roles: []directory.Role{directory.RolePublisher}},
		},
		"an ACL that names names": {
			entry(ordersACL()), `{"v":1,"value":{"users":["ada"]}}`, nil, known, unknown, false, aclWith(t, snapshot.Empty(), "ada").Value,
		},
		"a topic of a name that is none": {
			"topic." + shop().String() + ".a.b", `{"v":1,"value":{}}`, nil, known, unknown, true, nil,
		},
		"a kind of a newer usher":  {"clearance." + ada.String(), `{"v":2,"value":{}}`, nil, known, unknown, true, nil},
		"a key that is none":       {"users", `{"v":1,"value":{}}`, nil, known, unknown, true, nil},
		"an id in capital letters": {"user." + strings.ToUpper(ada.String()), `{"v":1,"value":{"name":"eve"}}`, nil, known, unknown, true, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := jetStream(t)
			var log callouttest.Buffer
			cfg := kv.Config{Conn: c, Create: true, Cache: filepath.Join(t.TempDir(), "cache"), Log: slog.New(slog.NewTextHandler(&log, nil))}
			s := open(t, cfg)
			stop := run(t, s)
			loaded(t, s)
			change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
				return append(append(member("ada"), member("bob")...),
					directory.Entry{Key: directory.ProjectKey(shop()), Value: &directory.Project{Name: "shop", Account: "APP"}},
					directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), "orders"), Value: &directory.Topic{}},
					aclWith(t, snapshot.Empty(), "ada")), nil
			})
			is := func(what string, s *kv.Store, ada, nobody string, topic bool, faults int) {
				t.Helper()
				callouttest.Eventually(t, what+": it has followed", func() bool {
					return len(s.Status().Faults) == faults && (faults == 0 || s.Status().Revision >= 10) // a fault is known before the revision is in use
				})
				snap := s.Snapshot()
				for key, want := range map[string]string{"ada": ada, "nobody": nobody} {
					got, d := unknown, directory.DigestOf(key)
					if _, ok := snap.LookupKey(d); ok {
						got = known
					} else if snap.Undecided(d) {
						got = undecided
					}
					if got != want {
						t.Errorf("%s: the key of %s is %s, want %s", what, key, got, want)
					}
				}
				if m, _ := snap.Member("shop", "ada"); (len(m.Topics) == 1) != topic {
					t.Errorf("%s: %d topics", what, len(m.Topics))
				}
				for _, fault := range s.Status().Faults {
					if fault.Key != tt.key || fault.Revision != 10 || fault.Message == "" {
						t.Errorf("%s: %+v", what, fault)
					}
				}
			}
			is("before", s, known, unknown, true, 0)
			write(t, c, tt.key, tt.value, tt.header...)
			is("written", s, tt.ada, tt.nobody, tt.topic, 1)
			if n := strings.Count(log.String(), "ignoring a faulty entry of the directory"); n != 1 {
				t.Errorf("reported %d times", n)
			}
			after := s.Snapshot()
			if _, err := after.Try(member("cyd")[:2]); err == nil {
				_, add := user("cyd")
				after = change(t, s, add)
				if _, ok := after.LookupKey(directory.DigestOf("cyd")); !ok {
					t.Error("others are affected")
				}
			} else if !strings.HasPrefix(tt.key, "user.") || strings.ToLower(tt.key) != tt.key {
				t.Error(err) // only the unreadable user could have this name
			}
			stop()

			again := open(t, cfg)
			if again.Snapshot() == nil {
				t.Fatal("there is no cache")
			}
			if kinds := len(again.Status().Faults); tt.repaired != nil {
				is("from the cache", again, tt.ada, tt.nobody, tt.topic, 1)
			} else if kinds != 0 {
				t.Errorf("from the cache: %d faults", kinds)
			}
			run(t, again)
			is("read again", again, tt.ada, tt.nobody, tt.topic, 1)
			if tt.repaired == nil {
				write(t, c, tt.key, "", "KV-Operation", "DEL")
			} else {
				k, err := directory.ParseEntryKey(tt.key)
				callouttest.Must(t, err)
				change(t, again, func(*snapshot.Snapshot) ([]directory.Entry, error) { return directory.Put(k, tt.repaired), nil })
			}
			is("repaired", again, known, unknown, true, 0)
		})
	}
}
