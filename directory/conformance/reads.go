package conformance

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// at is when everything was created.
func at() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// NKey and DN are the nkey and the certificate subject of a user of Records.
const (
	NKey = "UBXTWPJEALR6ANNUEPTKZ52FYVKCTEJTSUOL5PK3BLPWKUNV2J4TDCFV"
	DN   = `E=x@y.z,SERIALNUMBER=77,CN=host/a.b,OU=u1+OU=u2,O=A\, Inc,L=Ath,C=GR,DC=gr+DC=grnet`

	passwordHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"
)

// Records returns the directory that Reads tests. Every call returns a new copy.
func Records() directory.Records {
	stated := uuid.MustParse("7c1f4f4e-4b7d-4b43-8f5e-0c8a7d8f2b11")
	made := directory.Made{Created: at(), Modified: at().Add(time.Hour), By: stated}
	publisher, consumer := directory.RolePublisher, directory.RoleConsumer
	return directory.Records{
		Users: []directory.User{
			{
				ID: stated, Name: "pia", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleIngest}, Made: made,
				Limits:  directory.Limits{ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard, directory.ConnectionMQTT}},
				Profile: &directory.Profile{FirstName: "Pia", LastName: "P", Organization: "O", Description: "D: \"#\"", Email: "pia@example.org"},
				Keys: []directory.Key{
					{ID: "laptop", Digest: directory.DigestOf("pia-1"), Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Created: at()},
					{ID: "old", Digest: directory.DigestOf("pia-2"), Disabled: true, NotBefore: at(), Expires: at().Add(time.Hour)},
					{
						ID: "signer", Other: &directory.OtherKey{Kind: directory.KeyNKey, NKey: NKey}, NotBefore: at(), Expires: at().Add(time.Hour),
						Networks: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}, Created: at(),
					},
					{Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: passwordHash}, Disabled: true, Expires: at()},
					{ID: "worker", Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: DN}, Created: at()},
					{ID: "agent", Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: DN, ServiceType: "ams", Host: "ams.example.org"}},
				},
			},
			{Name: "carl", Keys: []directory.Key{
				{ID: "default", Digest: directory.DigestOf("carl")},
				{Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: passwordHash}}, // the same as pia's
			}},
			{Name: "gone", Disabled: true, Keys: []directory.Key{{ID: "default", Digest: directory.DigestOf("gone")}}},
			{Name: "keyless"},
		},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP", Description: "what is sold", Made: made,
				Members: []directory.Member{
					{User: "pia", Roles: []directory.Role{publisher}},
					{User: "carl", Roles: []directory.Role{consumer, publisher}},
					{User: "gone", Roles: []directory.Role{consumer}},
				},
				Topics: []directory.Topic{
					{Name: "returns", Created: at()},
					{Name: "orders", ACL: []string{"pia", "carl"}},
					{Name: "prices", Subject: "shop.market.prices", ACL: []string{"carl"}},
				},
				Subscriptions: []directory.Subscription{
					{Name: "billing", Topic: "orders", ACL: []string{"carl", "pia"}, AckDeadline: 30, Created: at()},
					{Name: "audit", Topic: "orders", Push: &directory.Push{
						Type: "http_endpoint", Endpoint: "https://example.org/in", MaxMessages: 1, RetryType: "linear", RetryPeriod: 300,
						VerificationHash: strings.Repeat("0a", 32), Verified: true,
						Authorization: &directory.PushAuthorization{Sealed: []byte{1, 2, 255}, Previous: []byte{3}, PreviousUntil: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)},
					}},
				},
			},
			{
				ID: uuid.MustParse("0c0e8a53-9a43-4a05-8f0e-8f6b6f6a5d2e"), Name: "lab", Account: "LAB",
				Members: []directory.Member{{User: "pia", Roles: []directory.Role{directory.RoleProjectAdmin}}},
				Topics:  []directory.Topic{{Name: "raw", Subject: "probe.raw"}},
			},
			{Name: "moon", Account: "OTHER"},
		},
		Bans: bans(),
	}
}

// Reads tests lookups in a store into which load has put records.
func Reads(t *testing.T, load func(t *testing.T, r directory.Records) *snapshot.Snapshot) {
	t.Helper()
	s := load(t, Records())
	t.Run("Size", func(t *testing.T) {
		if got, want := s.Size(), (directory.Size{Users: 4, Keys: 9, Projects: 3, Topics: 4, Subscriptions: 2, Bans: len(bans())}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
	t.Run("Records", func(t *testing.T) {
		want, err := snapshot.New(Records())
		must(t, err)
		got, wanted := sorted(withoutRevisions(s.Records())), sorted(withoutRevisions(want.Records()))
		if !reflect.DeepEqual(got.Users, wanted.Users) {
			t.Errorf("users\n%+v\nwant\n%+v", got.Users, wanted.Users)
		}
		if !reflect.DeepEqual(got.Projects, wanted.Projects) {
			t.Errorf("projects\n%+v\nwant\n%+v", got.Projects, wanted.Projects)
		}
	})
	t.Run("Keys", func(t *testing.T) { readKeys(t, s) })
	t.Run("OtherKeys", func(t *testing.T) { readOtherKeys(t, s) })
	t.Run("Facts", func(t *testing.T) { readFacts(t, s) })
	t.Run("ACLs", func(t *testing.T) { readACLs(t, s) })
	t.Run("Bans", func(t *testing.T) { readBans(t, s) })
	t.Run("Views", func(t *testing.T) { readViews(t, s) })
	t.Run("Empty", func(t *testing.T) {
		if got := load(t, directory.Records{}).Size(); got != (directory.Size{}) {
			t.Errorf("%+v", got)
		}
	})
}

func readKeys(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	for key, want := range map[string]string{
		"pia-1": "pia/laptop", "pia-2": "pia/old", "carl": "carl/default", "gone": "gone/default", "keyless": "", "": "", "PIA-1": "",
	} {
		got := ""
		rec, ok := s.LookupKey(directory.DigestOf(key))
		if ok {
			got = rec.User.Name + "/" + rec.Key.ID
		}
		if got != want {
			t.Errorf("key %q belongs to %q, want %q", key, got, want)
		}
		if !ok && s.Undecided(directory.DigestOf(key)) {
			t.Errorf("key %q is undecided", key)
		}
	}
}

// readOtherKeys finds keys that are no API keys by their digests, and by nothing else.
func readOtherKeys(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	for digest, want := range map[directory.Digest]string{
		directory.NKeyDigest(NKey):                            "pia/signer nkey",
		directory.PasswordDigest(pia()):                       "pia/password password",
		directory.PasswordDigest(user("carl")):                "carl/password password",
		directory.PasswordDigest(user("gone")):                "",
		directory.CertificateDigest(DN):                       "pia/worker certificate",
		directory.BindingDigest(DN, "ams", "ams.example.org"): "pia/agent binding",
		directory.BindingDigest(DN, "ams", "AMS.example.org"): "",
		directory.BindingDigest(DN, "web", "ams.example.org"): "",
		directory.DigestOf(NKey):                              "",
		directory.DigestOf(DN):                                "",
		directory.DigestOf(passwordHash):                      "",
	} {
		got := ""
		rec, ok := s.LookupKey(digest)
		if ok {
			got = rec.User.Name + "/" + rec.Key.ID + " " + string(rec.Key.Kind())
		}
		if got != want {
			t.Errorf("the key with this digest is %q, want %q", got, want)
		}
	}
	rec, _ := s.LookupKey(directory.PasswordDigest(pia()))
	if k := rec.Key; k == nil || k.Other.PasswordHash != passwordHash || !k.Disabled || !k.Expires.Equal(at()) {
		t.Errorf("%+v", k)
	}
}

func readFacts(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	topic := func(x *directory.Topic) string { return x.Name + "=" + x.Subject }
	sub := func(x *directory.Subscription) string { return x.Name + "=" + x.Topic }
	for user, want := range map[string]string{
		"pia":  "lab[project_admin] topics() subs(); shop[publisher] topics(orders=shop.orders) subs(billing=orders)",
		"carl": "shop[consumer publisher] topics(orders=shop.orders prices=shop.market.prices) subs(billing=orders)",
		"gone": "shop[consumer] topics() subs()", "keyless": "",
	} {
		f, ok := s.Facts(user, "moon")
		if !ok || f.User.Name != user || f.Selected == nil || f.Selected.Account != "OTHER" {
			t.Errorf("%s: %+v", user, f)
			continue
		}
		var all []string
		for _, m := range f.Memberships {
			all = append(all, fmt.Sprintf("%s%v topics(%s) subs(%s)", m.Project.Name, m.Roles, names(m.Topics, topic), names(m.Subs, sub)))
		}
		if got := strings.Join(all, "; "); got != want {
			t.Errorf("%s has %s\nwant %s", user, got, want)
		}
	}
	if _, ok := s.Facts("nobody", ""); ok {
		t.Error("an unknown user has facts")
	}
	if f, _ := s.Facts("pia", "nothing"); f.Selected != nil {
		t.Error("a project that does not exist is selected")
	}
	if name, ok := s.FirstWithServiceRole(directory.ServiceRoleIngest); !ok || name != "pia" {
		t.Errorf("%s has role ingest", name)
	}
	if name, ok := s.FirstWithServiceRole(directory.ServiceRoleAdmin); ok {
		t.Errorf("%s has role service_admin", name)
	}
}

func readACLs(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	for _, tt := range []struct {
		kind          directory.Kind
		project, name string
		want          []string
		ok            bool
	}{
		{directory.KindTopicACL, "shop", "orders", []string{"pia", "carl"}, true}, // as given
		{directory.KindTopicACL, "shop", "prices", []string{"carl"}, true},
		{directory.KindTopicACL, "shop", "returns", nil, true},
		{directory.KindSubscriptionACL, "shop", "billing", []string{"carl", "pia"}, true},
		{directory.KindSubscriptionACL, "shop", "audit", nil, true},
		{directory.KindSubscriptionACL, "shop", "orders", nil, false},
		{directory.KindTopicACL, "shop", "nothing", nil, false},
		{directory.KindTopicACL, "nothing", "orders", nil, false},
	} {
		if got, _, ok := s.ACL(tt.kind, tt.project, tt.name); ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s of %s.%s: %v %v, want %v %v", tt.kind, tt.project, tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func readViews(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	if topic, ok := s.Topic("lab", "raw"); !ok || topic.Subject != "probe.raw" {
		t.Errorf("%+v", topic)
	}
	if sub, ok := s.Subscription("shop", "audit"); !ok || sub.Topic != "orders" || sub.Push == nil || !sub.Push.Same(Records().Projects[0].Subscriptions[1].Push) {
		t.Errorf("%+v", sub)
	}
	shop, ok := s.Project("shop")
	if !ok || len(shop.Topics) != 3 || shop.Topics[0].Name != "orders" || shop.Topics[2].Name != "returns" || len(shop.Subscriptions) != 2 {
		t.Errorf("%+v", shop)
	}
	if same, ok := s.ProjectByID(shop.ID); !ok || same.Name != "shop" || shop.ID != directory.IDOf(directory.KindProject, "shop") {
		t.Errorf("%+v", same)
	}
	pia, _ := s.User("pia")
	if same, ok := s.UserByID(pia.ID); !ok || same.Name != "pia" || pia.Profile.Email != "pia@example.org" || pia.Made.By != pia.ID {
		t.Errorf("%+v", same)
	}
	var members []string
	for u, m := range s.Members("shop") {
		members = append(members, fmt.Sprint(u.Name, m.Roles))
	}
	if slices.Sort(members); !slices.Equal(members, []string{"carl[consumer publisher]", "gone[consumer]", "pia[publisher]"}) {
		t.Errorf("members %v", members)
	}
	if _, ok := s.Member("lab", "carl"); ok {
		t.Error("carl is a member of the lab")
	}
	if readers := s.Readers("shop", "orders"); len(readers) != 2 {
		t.Errorf("%d subscriptions read topic orders", len(readers))
	}
}
