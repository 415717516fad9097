package conformance

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// bans returns bans of all kinds: most until at()+1h, one that ends earlier.
func bans() []directory.Ban {
	until := at().Add(time.Hour)
	return []directory.Ban{
		{ID: "of-carl", User: "carl", Reason: "too loud", By: "pia", Created: at(), Until: until},
		{User: "pia", Target: directory.BanTarget{Key: "laptop"}, Reason: "lost: \"laptop\" #7", Until: until},
		{ID: "digest", Target: directory.BanTarget{Digest: directory.DigestOf("pia-2")}, Reason: "found", Until: until},
		{ID: "net", Target: directory.BanTarget{Network: netip.MustParsePrefix("203.0.113.0/24")}, Reason: "scan", By: directory.BanByUsher, Until: until},
		{ID: "host", Target: directory.BanTarget{Network: netip.MustParsePrefix("203.0.113.7/32")}, Reason: "scan", Until: at().Add(time.Minute)},
		{ID: "net6", Target: directory.BanTarget{Network: netip.MustParsePrefix("2001:db8::/32")}, Reason: "scan", Until: until},
		{ID: "device", Target: directory.BanTarget{MQTTClientID: "till 7", Account: "APP"}, Reason: "flaps", Until: until},
		{ID: "again", User: "carl", Reason: "for longer", Until: until.Add(time.Hour)},
		{
			ID: "mallory", Target: directory.BanTarget{Authority: "https://id.example.org", IdentityID: "mallory"},
			IssuedBefore: at(), Reason: "logout", Until: until,
		},
		{ID: "sid", Target: directory.BanTarget{Authority: "https://id.example.org", SessionID: "s-1"}, Reason: "logout", Until: until},
	}
}

func readBans(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	wanted, err := snapshot.New(Records())
	must(t, err)
	if got, want := sorted(withoutRevisions(s.Records())).Bans, sorted(withoutRevisions(wanted.Records())).Bans; !reflect.DeepEqual(got, want) {
		t.Errorf("bans\n%+v\nwant\n%+v", got, want)
	}
	carl := user("carl")
	laptop, old := directory.Key{ID: "laptop", Digest: directory.DigestOf("pia-1")}, directory.Key{ID: "old", Digest: directory.DigestOf("pia-2")}
	of := func(b *directory.Ban) string {
		if b == nil {
			return ""
		}
		return b.Reason
	}
	addr := func(text string, now time.Time) string { return of(s.Bans().OfAddr(netip.MustParseAddr(text), now)) }
	target := func(t directory.BanTarget, now time.Time) string { return of(s.Bans().Of(&t, now)) }
	now, later, end := at(), at().Add(30*time.Minute), at().Add(time.Hour)
	for i, tt := range []struct{ got, want string }{
		{target(directory.BanTarget{User: carl}, now), "for longer"},
		{target(directory.BanTarget{User: carl}, end), "for longer"},
		{target(directory.BanTarget{User: carl}, end.Add(time.Hour)), ""},
		{target(directory.BanTarget{User: pia()}, now), ""},
		{target(directory.BanTarget{User: pia(), Key: "laptop"}, now), "lost: \"laptop\" #7"},
		{target(directory.BanTarget{User: carl, Key: "laptop"}, now), ""},
		{of(s.Bans().OfKey(pia(), &laptop, now)), "lost: \"laptop\" #7"},
		{of(s.Bans().OfKey(pia(), &laptop, end)), ""},
		{of(s.Bans().OfKey(pia(), &old, now)), "found"},
		{of(s.Bans().OfKey(carl, &old, now)), "for longer"},
		{addr("203.0.113.7", now), "scan"},
		{addr("203.0.113.7", later), "scan"}, // the smaller network has ended
		{addr("203.0.113.7", end), ""},
		{addr("203.0.114.7", now), ""},
		{addr("2001:db8:1::", now), "scan"},
		{addr("2001:db9::", now), ""},
		{of(s.Bans().OfAddr(netip.Addr{}, now)), ""},
		{target(directory.BanTarget{MQTTClientID: "till 7", Account: "APP"}, now), "flaps"},
		{target(directory.BanTarget{MQTTClientID: "till 7"}, now), ""},
		{target(directory.BanTarget{Authority: "https://id.example.org", IdentityID: "mallory"}, now), "logout"},
		{target(directory.BanTarget{Authority: "https://id.example.com", IdentityID: "mallory"}, now), ""},
		{target(directory.BanTarget{Authority: "https://id.example.org", SessionID: "s-1"}, now), "logout"},
		{target(directory.BanTarget{Authority: "https://id.example.org", IdentityID: "s-1"}, now), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("lookup %d: %q, want %q", i, tt.got, tt.want)
		}
	}
	if ended := s.Bans().Ended(later); len(ended) != 1 || ended[0] != directory.BanKey("host") {
		t.Errorf("ended: %v", ended)
	}
}

func banChanges() []change {
	ban := func(target directory.BanTarget, reason string) *directory.Ban {
		return &directory.Ban{Target: target, Reason: reason, Until: at().Add(time.Hour)}
	}
	network := func(text string) directory.BanTarget {
		return directory.BanTarget{Network: netip.MustParsePrefix(text)}
	}
	k := directory.BanKey("new")
	long := ban(network("192.0.2.0/24"), "r")
	long.Created, long.Until = at(), at().AddDate(11, 0, 0)
	narrow := ban(network("192.0.2.0/24"), "r")
	narrow.IssuedBefore = at()
	return []change{
		{"a ban", put(k, ban(network("192.0.2.0/24"), "r")), is("it holds", func(s *snapshot.Snapshot) bool {
			return s.Bans().OfAddr(netip.MustParseAddr("192.0.2.9"), at()) != nil && s.Size().Bans == len(bans())+1
		})},
		{"a ban of another target", put(directory.BanKey("net"), ban(network("192.0.2.0/24"), "r")), is("the old one is free", func(s *snapshot.Snapshot) bool {
			return s.Bans().OfAddr(netip.MustParseAddr("192.0.2.9"), at()) != nil && s.Bans().OfAddr(netip.MustParseAddr("203.0.113.8"), at()) == nil
		})},
		{"lift a ban", remove(directory.BanKey("net")), is("the network is free", func(s *snapshot.Snapshot) bool {
			return s.Bans().OfAddr(netip.MustParseAddr("203.0.113.8"), at()) == nil && s.Size().Bans == len(bans())-1
		})},
		{"lift one of two bans", remove(directory.BanKey("again")), is("carl is still banned", func(s *snapshot.Snapshot) bool {
			b := s.Bans().Of(&directory.BanTarget{User: user("carl")}, at())
			return b != nil && b.ID == "of-carl"
		})},
		{"lift all bans", func(s *snapshot.Snapshot) []directory.Entry {
			var all []directory.Entry
			for b := range s.Bans().All() {
				all = append(all, directory.Entry{Key: directory.BanKey(b.ID)})
			}
			return all
		}, is("there is none", func(s *snapshot.Snapshot) bool { return s.Bans() == nil && s.Size().Bans == 0 })},
		{"remove a banned user", func(s *snapshot.Snapshot) []directory.Entry { return s.RemoveUser(user("carl")) }, is("the bans have no user", func(s *snapshot.Snapshot) bool {
			return len(s.Records().Bans) == len(bans())-2
		})},
		{"a ban of nobody", put(k, ban(directory.BanTarget{}, "r")), nil},
		{"a ban of two", put(k, ban(directory.BanTarget{User: pia(), MQTTClientID: "x"}, "r")), nil},
		{"a ban of a user who does not exist", put(k, ban(directory.BanTarget{User: uuid.New()}, "r")), nil},
		{"a ban of a key of nobody", put(k, ban(directory.BanTarget{Key: "laptop"}, "r")), nil},
		{"a ban of everybody", put(k, ban(network("0.0.0.0/0"), "r")), nil},
		{"a ban of half the Internet", put(k, ban(network("2000::/3"), "r")), nil},
		{"a ban of a network with bits behind it", put(k, ban(network("192.0.2.1/24"), "r")), nil},
		{"a ban of an account", put(k, ban(directory.BanTarget{Account: "APP"}, "r")), nil},
		{"a ban of an authority", put(k, ban(directory.BanTarget{Authority: "https://id.example.org"}, "r")), nil},
		{"a ban without a reason", put(k, ban(network("192.0.2.0/24"), "")), nil},
		{"a ban with a reason of two lines", put(k, ban(network("192.0.2.0/24"), "a\nb")), nil},
		{"a ban with a very long reason", put(k, ban(network("192.0.2.0/24"), strings.Repeat("a", 257))), nil},
		{"a ban without an end", put(k, &directory.Ban{Target: network("192.0.2.0/24"), Reason: "r"}), nil},
		{"a ban for 11 years", put(k, long), nil},
		{"a ban of tokens of a network", put(k, narrow), nil},
		{"a ban with an invalid id", put(directory.BanKey("a.b"), ban(network("192.0.2.0/24"), "r")), nil},
	}
}
