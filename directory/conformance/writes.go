package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// Fill adds records to a store.
func Fill(t *testing.T, s Store, r directory.Records) *snapshot.Snapshot {
	t.Helper()
	from, err := snapshot.New(r)
	must(t, err)
	next, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return slices.Collect(from.Entries()), nil })
	must(t, err)
	return next
}

var errCaller = errors.New("error of the caller")

func user(name string) uuid.UUID { return directory.IDOf(directory.KindUser, name) }

func pia() uuid.UUID { return Records().Users[0].ID }

func shop() uuid.UUID { return directory.IDOf(directory.KindProject, "shop") }

func resource(kind directory.Kind, name string) directory.EntryKey {
	return directory.ResourceKey(kind, shop(), name)
}

// Writes tests changes of a store. open returns an empty store.
func Writes(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, tt := range slices.Concat(changes(), banChanges()) {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			before := Fill(t, s, Records())
			size := before.Size()
			next, err := s.Change(t.Context(), func(now *snapshot.Snapshot) ([]directory.Entry, error) { return tt.change(now), nil })
			var problems directory.Problems
			if refused := errors.As(err, &problems); refused != (tt.check == nil) || err != nil && !refused {
				t.Fatalf("got %v", err)
			}
			if tt.check != nil {
				tt.check(t, next)
				return
			}
			if got := s.Snapshot().Size(); got != size || next != nil {
				t.Errorf("refused, but the size is now %+v", got)
			}
		})
	}
	t.Run("error of the caller", func(t *testing.T) { callerError(t, open(t)) })
	t.Run("empty change", func(t *testing.T) {
		s := open(t)
		before := Fill(t, s, Records()).Size()
		next, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return nil, nil })
		if must(t, err); next.Size() != before {
			t.Errorf("%+v", next.Size())
		}
	})
	t.Run("revisions", func(t *testing.T) { revisions(t, open(t)) })
	t.Run("concurrent changes", func(t *testing.T) { concurrent(t, open(t)) })
}

// change is a change with a check of the result; nil: a rule refuses the change.
type change struct {
	name   string
	change func(*snapshot.Snapshot) []directory.Entry
	check  func(*testing.T, *snapshot.Snapshot)
}

func put(k directory.EntryKey, v directory.Value) func(*snapshot.Snapshot) []directory.Entry {
	return func(*snapshot.Snapshot) []directory.Entry { return directory.Put(k, v) }
}

func remove(k directory.EntryKey) func(*snapshot.Snapshot) []directory.Entry {
	return func(*snapshot.Snapshot) []directory.Entry { return directory.Remove(k) }
}

func is(what string, f func(*snapshot.Snapshot) bool) func(*testing.T, *snapshot.Snapshot) {
	return func(t *testing.T, s *snapshot.Snapshot) {
		t.Helper()
		if !f(s) {
			t.Errorf("not true: %s", what)
		}
	}
}

const otherNKey = "UDJTOBSJHVCF2XRO2Y4XN6UQ4JXMIDLG2CH2DSZWIBGVK2CGGWE6TYFB"

func nkey(public string) *directory.Key {
	return &directory.Key{Digest: directory.NKeyDigest(public), Other: &directory.OtherKey{Kind: directory.KeyNKey, NKey: public}}
}

func password(user uuid.UUID) *directory.Key {
	return &directory.Key{Digest: directory.PasswordDigest(user), Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: passwordHash}}
}

func changes() []change {
	acl := func(s *snapshot.Snapshot, kind directory.Kind, name string) []string {
		users, _, _ := s.ACL(kind, "shop", name)
		return users
	}
	return []change{
		{"a user", put(directory.UserKey(uuid.New()), &directory.User{Name: "eve"}), is("eve exists", func(s *snapshot.Snapshot) bool { _, ok := s.User("eve"); return ok })},
		{"a user with a name that is taken", put(directory.UserKey(uuid.New()), &directory.User{Name: "carl"}), nil},
		{"a user with an invalid name", put(directory.UserKey(uuid.New()), &directory.User{Name: "a.b"}), nil},
		{"a user with an unknown service role", put(directory.UserKey(uuid.New()), &directory.User{Name: "eve", ServiceRoles: []directory.ServiceRole{"root"}}), nil},
		{
			"a user is renamed", put(directory.UserKey(user("carl")), &directory.User{Name: "karl"}),
			is("karl has all that carl had", func(s *snapshot.Snapshot) bool {
				m, ok := s.Member("shop", "karl")
				rec, known := s.LookupKey(directory.DigestOf("carl"))
				_, old := s.User("carl")
				return ok && len(m.Topics) == 2 && known && rec.User.Name == "karl" && !old && slices.Equal(acl(s, directory.KindTopicACL, "orders"), []string{"pia", "karl"})
			}),
		},
		{
			"two users swap names", func(*snapshot.Snapshot) []directory.Entry {
				return []directory.Entry{
					{Key: directory.UserKey(user("carl")), Value: &directory.User{Name: "gone"}},
					{Key: directory.UserKey(user("gone")), Value: &directory.User{Name: "carl"}},
				}
			}, is("the names are swapped", func(s *snapshot.Snapshot) bool {
				carl, _ := s.User("carl")
				return carl != nil && carl.ID == user("gone")
			}),
		},
		{
			"a user is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveUser(user("carl")) },
			is("nothing is left of carl", func(s *snapshot.Snapshot) bool {
				_, known := s.LookupKey(directory.DigestOf("carl"))
				return !known && !s.Undecided(directory.DigestOf("carl")) && s.Size().Users == 3 &&
					slices.Equal(acl(s, directory.KindTopicACL, "orders"), []string{"pia"}) && slices.Equal(acl(s, directory.KindSubscriptionACL, "billing"), []string{"pia"})
			}),
		},
		{"a key", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{Digest: directory.DigestOf("new")}), is("LookupKey finds its user", func(s *snapshot.Snapshot) bool {
			rec, ok := s.LookupKey(directory.DigestOf("new"))
			return ok && rec.User.Name == "keyless"
		})},
		{"a key that another user has", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{Digest: directory.DigestOf("carl")}), nil},
		{"a key of an unknown user", put(directory.KeyKey(uuid.New(), "new"), &directory.Key{Digest: directory.DigestOf("new")}), nil},
		{"a key with the digest of the empty string", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{Digest: directory.DigestOf("")}), nil},
		{"an nkey", put(directory.KeyKey(user("keyless"), "new"), nkey(otherNKey)), is("its digest finds its user", func(s *snapshot.Snapshot) bool {
			rec, ok := s.LookupKey(directory.NKeyDigest(otherNKey))
			return ok && rec.User.Name == "keyless" && rec.Key.Kind() == directory.KeyNKey && rec.Key.Other.NKey == otherNKey
		})},
		{"an nkey that another user has", put(directory.KeyKey(user("keyless"), "new"), nkey(NKey)), nil},
		{"an nkey that is none", put(directory.KeyKey(user("keyless"), "new"), nkey("U123")), nil},
		{"an nkey with another digest", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{
			Digest: directory.DigestOf("new"), Other: &directory.OtherKey{Kind: directory.KeyNKey, NKey: otherNKey},
		}), nil},
		{"a password", put(directory.KeyKey(user("keyless"), "password"), password(user("keyless"))), is("its digest finds its user", func(s *snapshot.Snapshot) bool {
			rec, ok := s.LookupKey(directory.PasswordDigest(user("keyless")))
			return ok && rec.User.Name == "keyless" && rec.Key.Other.PasswordHash == passwordHash
		})},
		{"a second password", put(directory.KeyKey(user("carl"), "second"), password(user("carl"))), nil},
		{"the password of another user", put(directory.KeyKey(user("keyless"), "password"), password(user("carl"))), nil},
		{"a certificate that another user has", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{
			Digest: directory.CertificateDigest(DN), Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: DN},
		}), nil},
		{"a binding to another host", put(directory.KeyKey(user("keyless"), "new"), &directory.Key{
			Digest: directory.BindingDigest(DN, "ams", "b"), Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: DN, ServiceType: "ams", Host: "b"},
		}), is("its digest finds its user", func(s *snapshot.Snapshot) bool {
			rec, ok := s.LookupKey(directory.BindingDigest(DN, "ams", "b"))
			return ok && rec.User.Name == "keyless"
		})},
		{"an nkey is removed", remove(directory.KeyKey(pia(), "signer")), is("it is unknown", func(s *snapshot.Snapshot) bool {
			_, ok := s.LookupKey(directory.NKeyDigest(NKey))
			return !ok
		})},
		{"a key is removed", remove(directory.KeyKey(pia(), "laptop")), is("it is unknown, and the other key is not", func(s *snapshot.Snapshot) bool {
			_, one := s.LookupKey(directory.DigestOf("pia-1"))
			_, two := s.LookupKey(directory.DigestOf("pia-2"))
			return !one && two
		})},
		{"a project", put(directory.ProjectKey(uuid.New()), &directory.Project{Name: "new", Account: "APP"}), is("it exists", func(s *snapshot.Snapshot) bool { _, ok := s.Project("new"); return ok })},
		{"a project with a name that is taken", put(directory.ProjectKey(uuid.New()), &directory.Project{Name: "shop", Account: "NEW"}), nil},
		{"a project in an account with subjects outside of their project", put(directory.ProjectKey(uuid.New()), &directory.Project{Name: "new", Account: "LAB"}), nil},
		{"a project is renamed", put(directory.ProjectKey(shop()), &directory.Project{Name: "market", Account: "OWN"}), is("its topics move", func(s *snapshot.Snapshot) bool {
			topic, ok := s.Topic("market", "orders")
			return ok && topic.Subject == "market.orders"
		})},
		{"a project is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveProject(shop()) }, is("nothing is left of it", func(s *snapshot.Snapshot) bool {
			f, _ := s.Facts("carl", "")
			return len(f.Memberships) == 0 && s.Size().Topics == 1 && s.Size().Subscriptions == 0
		})},
		{"a member", put(directory.MemberKey(shop(), user("keyless")), &directory.Member{Roles: []directory.Role{directory.RoleConsumer}}), is("the user is a member", func(s *snapshot.Snapshot) bool { _, ok := s.Member("shop", "keyless"); return ok })},
		{"a member that is not a user", put(directory.MemberKey(shop(), uuid.New()), &directory.Member{Roles: []directory.Role{directory.RoleConsumer}}), nil},
		{"a member of an unknown project", put(directory.MemberKey(uuid.New(), pia()), &directory.Member{Roles: []directory.Role{directory.RoleConsumer}}), nil},
		{"a member without a role", put(directory.MemberKey(shop(), user("keyless")), &directory.Member{}), nil},
		{"a member is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveMember(shop(), user("carl")) }, is("the ACLs do not name it any more", func(s *snapshot.Snapshot) bool {
			_, ok := s.Member("shop", "carl")
			return !ok && slices.Equal(acl(s, directory.KindTopicACL, "orders"), []string{"pia"}) && acl(s, directory.KindTopicACL, "prices") == nil
		})},
		{"a topic", put(resource(directory.KindTopic, "new"), &directory.Topic{}), is("it has a subject", func(s *snapshot.Snapshot) bool {
			topic, ok := s.Topic("shop", "new")
			return ok && topic.Subject == "shop.new"
		})},
		{"a topic with the subject of another topic", put(resource(directory.KindTopic, "new"), &directory.Topic{Subject: "shop.orders"}), nil},
		{"a topic with a wildcard", put(resource(directory.KindTopic, "new"), &directory.Topic{Subject: "shop.>"}), nil},
		{"a topic of an unknown project", put(directory.ResourceKey(directory.KindTopic, uuid.New(), "new"), &directory.Topic{}), nil},
		{"a topic with a subscription is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveTopic(shop(), "orders") }, nil},
		{"a topic is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveTopic(shop(), "prices") }, is("its ACL is removed too", func(s *snapshot.Snapshot) bool {
			_, ok := s.Topic("shop", "prices")
			m, _ := s.Member("shop", "carl")
			return !ok && len(m.Topics) == 1
		})},
		{"a subscription", put(resource(directory.KindSubscription, "new"), &directory.Subscription{Topic: "returns"}), is("it exists", func(s *snapshot.Snapshot) bool { _, ok := s.Subscription("shop", "new"); return ok })},
		{"a subscription to an unknown topic", put(resource(directory.KindSubscription, "new"), &directory.Subscription{Topic: "nothing"}), nil},
		{"a subscription is removed", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveSubscription(shop(), "billing") }, is("its ACL is removed too", func(s *snapshot.Snapshot) bool {
			m, _ := s.Member("shop", "carl")
			return len(m.Subs) == 0 && s.Size().Subscriptions == 1
		})},
		{"an ACL", put(resource(directory.KindTopicACL, "returns"), &directory.ACL{Users: []uuid.UUID{user("carl"), pia()}}), is("in the order given", func(s *snapshot.Snapshot) bool {
			return slices.Equal(acl(s, directory.KindTopicACL, "returns"), []string{"carl", "pia"})
		})},
		{"an ACL of an unknown topic", put(resource(directory.KindTopicACL, "nothing"), &directory.ACL{}), nil},
		{"an ACL that names a user who is not a member", put(resource(directory.KindTopicACL, "returns"), &directory.ACL{Users: []uuid.UUID{user("keyless")}}), nil},
		{"an ACL that names a user twice", put(resource(directory.KindTopicACL, "returns"), &directory.ACL{Users: []uuid.UUID{pia(), pia()}}), nil},
		{"one of two entries is wrong", func(*snapshot.Snapshot) []directory.Entry {
			return []directory.Entry{
				{Key: directory.UserKey(uuid.New()), Value: &directory.User{Name: "eve"}},
				{Key: directory.UserKey(uuid.New()), Value: &directory.User{Name: "carl"}},
			}
		}, nil},
	}
}

// callerError: Change returns an error of its function, and nothing changes.
func callerError(t *testing.T, s Store) {
	t.Helper()
	before := Fill(t, s, Records())
	next, err := s.Change(t.Context(), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
		return now.RemoveUser(user("carl")), fmt.Errorf("wrapped: %w", errCaller)
	})
	if !errors.Is(err, errCaller) || next != nil || s.Snapshot().Size() != before.Size() {
		t.Errorf("%v, %+v", err, s.Snapshot().Size())
	}
}

// revisions: the revision of a changed entry grows, and no other one does.
func revisions(t *testing.T, s Store) {
	t.Helper()
	before := Fill(t, s, Records())
	next, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(user("carl")), &directory.User{Name: "carl", Disabled: true}), nil
	})
	must(t, err)
	for _, name := range []string{"pia", "carl", "gone"} {
		was, _ := before.User(name)
		now, _ := next.User(name)
		if grown := now.Revision > was.Revision; was.Revision == 0 || grown != (name == "carl") || !grown && now.Revision != was.Revision {
			t.Errorf("%s: revision %d, was %d", name, now.Revision, was.Revision)
		}
	}
	last := uint64(0)
	for range 3 {
		next, err = s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
			return directory.Put(resource(directory.KindTopicACL, "orders"), &directory.ACL{Users: []uuid.UUID{pia()}}), nil
		})
		must(t, err)
		_, revision, _ := next.ACL(directory.KindTopicACL, "shop", "orders")
		if topic, _ := next.Topic("shop", "orders"); revision <= last || topic.ACLRevision != revision || topic.Revision >= revision {
			t.Errorf("revision %d after %d; %+v", revision, last, topic)
		}
		last = revision
	}
}

// concurrent: no concurrent change is lost.
func concurrent(t *testing.T, s Store) {
	t.Helper()
	Fill(t, s, Records())
	const writers, each = 4, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				name := fmt.Sprintf("writer-%d-%d", w, i)
				_, err := s.Change(context.WithoutCancel(t.Context()), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
					users, _, _ := now.ACL(directory.KindTopicACL, "shop", "orders")
					ids, _ := now.IDs("shop", users)
					return []directory.Entry{
						{Key: directory.UserKey(user(name)), Value: &directory.User{Name: name}},
						{Key: directory.MemberKey(shop(), user(name)), Value: &directory.Member{Roles: []directory.Role{directory.RolePublisher}}},
						{Key: resource(directory.KindTopicACL, "orders"), Value: &directory.ACL{Users: append(ids, user(name))}},
					}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if users, _, _ := s.Snapshot().ACL(directory.KindTopicACL, "shop", "orders"); len(users) != 2+writers*each {
		t.Errorf("%d users are in the ACL: %v", len(users), users)
	}
}
