package snapshot_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

func kinds() []directory.Kind {
	return []directory.Kind{
		directory.KindUser, directory.KindKey, directory.KindProject, directory.KindMember,
		directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL,
		directory.KindBan,
	}
}

// fromBytes makes an entry out of each five fuzz bytes. There are few ids, names, digests
// and subjects, so that they collide.
func fromBytes(data []byte) []directory.Entry {
	var all []directory.Entry
	for i := 0; i+5 <= len(data) && i < 5*200; i += 5 {
		b := data[i : i+5]
		name := string('a' + rune(b[2]%3))
		k := directory.EntryKey{Kind: kinds()[int(b[0])%len(kinds())]}
		switch k.Kind {
		case directory.KindUser:
			k = directory.UserKey(uuid.UUID{1 + b[1]%3})
		case directory.KindKey:
			k = directory.KeyKey(uuid.UUID{1 + b[1]%3}, name)
		case directory.KindProject:
			k = directory.ProjectKey(uuid.UUID{7 + b[1]%3})
		case directory.KindMember:
			k = directory.MemberKey(uuid.UUID{7 + b[1]%3}, uuid.UUID{1 + b[2]%3})
		case directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL:
			k = of(k.Kind, uuid.UUID{7 + b[1]%3}, name)
		case directory.KindBan:
			k = directory.BanKey(name)
		}
		all = append(all, directory.Entry{Key: k, Revision: uint64(i/5 + 1), Value: valueOf(k.Kind, b[3], b[4])})
	}
	return all
}

// valueOf makes a value out of two bytes; a quarter are removals.
func valueOf(kind directory.Kind, a, b byte) directory.Value {
	if b%4 == 0 {
		return nil
	}
	if b%32 == 1 {
		return &directory.Unreadable{}
	}
	name := string('a' + rune(a%3))
	switch kind {
	case directory.KindUser:
		return &directory.User{Name: name, Disabled: b > 128}
	case directory.KindKey:
		return &directory.Key{Digest: digest(int(a % 3))}
	case directory.KindProject:
		return &directory.Project{Name: name, Account: string('A' + rune(b/4%2))}
	case directory.KindMember:
		return &directory.Member{Roles: directory.Roles()[a%3:]}
	case directory.KindTopic:
		return &directory.Topic{Subject: []string{"", "a.a", "a.x.y", "b.a", "z"}[a%5]}
	case directory.KindSubscription:
		return &directory.Subscription{Topic: name}
	case directory.KindBan:
		target := directory.BanTarget{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, a % 3}), 16)}
		if a > 128 {
			target = directory.BanTarget{User: uuid.UUID{1 + a%4}}
		}
		return &directory.Ban{Target: target, Reason: name, Until: time.Unix(int64(b), 0).UTC()}
	case directory.KindTopicACL, directory.KindSubscriptionACL:
	}
	acl := &directory.ACL{}
	for ; a > 0; a /= 4 {
		acl.Users = append(acl.Users, uuid.UUID{1 + a%4})
	}
	return acl
}

// For any entries, what is visible is consistent and keeps the rules, and old snapshots do
// not change. The order of the entries does not matter, unless they contradict each other.
func FuzzApply(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add([]byte("\x00\x00\x00\x00\x01"+"\x00\x01\x00\x00\x01"+"\x00\x00\x00\x01\x01"), uint8(1))                                               // a name that is taken, then not
	f.Add([]byte("\x02\x00\x00\x00\x02"+"\x04\x00\x00\x03\x02"+"\x02\x01\x00\x01\x02"+"\x02\x01\x00\x01\x04"), uint8(1))                        // a subject all over, and another project
	f.Add([]byte("\x06\x00\x00\x1b\x02"+"\x04\x00\x00\x00\x02"+"\x03\x00\x00\x00\x02"+"\x02\x00\x00\x00\x02"+"\x00\x00\x00\x00\x02"), uint8(2)) // the other way round
	f.Add([]byte("\x01\x00\x00\x00\x02"+"\x01\x01\x00\x00\x02"+"\x01\x00\x00\x00\x04"+"\x00\x00\x00\x00\x02"+"\x00\x01\x00\x01\x21"), uint8(3)) // a key of two
	random := newModel(f, 5)
	for n := range 8 {
		data := make([]byte, 5*60)
		for i := range data {
			data[i] = byte(random.roll(256))
		}
		f.Add(data, uint8(n))
	}
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8) {
		entries := fromBytes(data)
		s, last := snapshot.Empty(), map[directory.EntryKey]directory.Entry{}
		for rest := entries; len(rest) > 0; {
			n := min(len(rest), 1+int(chunk%16))
			says := describe(t, s)
			_, err := s.Try(rest[:n])
			next, _, problems := s.Apply(rest[:n])
			if err == nil && len(problems) > 0 {
				t.Fatalf("Try allows what does not fit: %v", problems)
			}
			same(t, "before", describe(t, s), says)
			for _, e := range rest[:n] {
				last[e.Key] = e
			}
			s, rest = next, rest[n:]
			describe(t, s)
			if _, err := snapshot.New(s.Records()); err != nil {
				t.Fatalf("what is shown contradicts itself: %v", err)
			}
		}
		b := snapshot.NewBuilder()
		kept := 0
		for e := range s.Entries() {
			kept++
			if was := last[e.Key]; was.Revision != e.Revision || was.Value == nil {
				t.Fatalf("%s is kept at %d and was %+v", e.Key, e.Revision, was)
			}
			delete(last, e.Key)
		}
		for k, e := range last {
			if e.Value != nil {
				t.Fatalf("%s is not kept", k)
			}
		}
		all := slices.SortedFunc(s.Entries(), func(x, y directory.Entry) int { return int(x.Revision) - int(y.Revision) })
		for i := range all {
			b.Add(&all[i])
		}
		built, problems := b.Snapshot()
		if len(problems) == 0 && s.Stored().Conflicting == 0 {
			same(t, "from its entries", describe(t, built), describe(t, s))
			if built.Stored() != s.Stored() {
				t.Fatalf("holds %+v, built at once %+v", s.Stored(), built.Stored())
			}
		}
	})
}
