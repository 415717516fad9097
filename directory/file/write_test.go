package file_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
)

func written(tb testing.TB, r directory.Records) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := file.Write(&b, r); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func parsed(tb testing.TB, text []byte) directory.Records {
	tb.Helper()
	r, _, err := file.Parse("d.yaml", text)
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return r
}

// TestWriteGolden shows what a written directory looks like.
func TestWriteGolden(t *testing.T) {
	path := filepath.Join("testdata", "written.yaml")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, parsed(t, want)); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant %s", got, path)
	}
	snapshot, err := snapshot.New(parsed(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, snapshot.Records()); !bytes.Equal(got, want) {
		t.Errorf("of a snapshot: got\n%s\nwant %s", got, path)
	}
}

func TestWriteNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.yaml")
	write(t, path, string(written(t, directory.Records{})))
	if s, err := file.Load(path); err != nil || s.Size() != (directory.Size{}) {
		t.Errorf("got %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("full")

func TestWriteFails(t *testing.T) {
	if err := file.Write(full{}, directory.Records{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

// TestWriteReadsBack: Parse reads what Write has written, for any directory.
func TestWriteReadsBack(t *testing.T) {
	for seed := range uint64(200) {
		r := randomRecords(rand.New(rand.NewPCG(seed, 6)))
		text := written(t, r)
		if got, want := parsed(t, text), inOrder(r); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got\n%+v\nwant\n%+v\nwritten\n%s", seed, got, want, text)
		}
		again := written(t, shuffled(r, seed))
		if !bytes.Equal(again, text) {
			t.Fatalf("seed %d: the order matters:\n%s\n%s", seed, again, text)
		}
		first, err := snapshot.New(r)
		if err != nil {
			t.Fatalf("seed %d: the records are no directory: %v", seed, err)
		}
		if got := written(t, first.Records()); !bytes.Equal(got, text) {
			t.Fatalf("seed %d: a snapshot is written otherwise:\n%s\n%s", seed, got, text)
		}
	}
}

// FuzzWrite writes fuzzed text in every field of free text.
func FuzzWrite(f *testing.F) {
	for _, text := range []string{
		"", "a", "no", "2026-01-01", "1e3", "0x10", "a: b", "a #b", "- a", "[a]", "{a: b}", "*a", "&a", "!a", "|", "> a", "'", `"`, `\`,
		"a\nb", "\ta", " a", "a ", "a\r\n", "é", "\u0085", "\u2028", "\ufeff", "\x00", "\x7f", "\U0001f600", "\ufffd", "null", "~", "<<", "=", "...", "---",
		strings.Repeat("long ", 50), "a@b.example", "https://a.example/b?c=d",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := directory.Records{
			Users: []directory.User{{Name: text, Profile: &directory.Profile{FirstName: text, Description: text, Email: text}, Keys: []directory.Key{
				{ID: text},
				{Other: &directory.OtherKey{Kind: directory.KeyNKey, NKey: "U" + text}},
				{Other: &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: "$" + text}, ID: text},
				{Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: "=" + text}},
				{Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: text + "=", ServiceType: "-" + text, Host: "." + text}},
			}}},
			Projects: []directory.Project{{
				Name: text, Account: text, Description: text,
				Members: []directory.Member{{User: text, Roles: []directory.Role{directory.Role(text)}}},
				Topics:  []directory.Topic{{Name: text, Subject: text, ACL: []string{text, text}}},
				Subscriptions: []directory.Subscription{{Name: text, Topic: text, ACL: []string{text}, Push: &directory.Push{
					Endpoint: text, MattermostURL: text, MattermostUsername: text, MattermostChannel: text,
				}}},
			}},
		}
		got := parsed(t, written(t, r))
		want := parsed(t, written(t, got))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if p := got.Projects[0]; strings.ToValidUTF8(text, "\ufffd") == text && (p.Description != text || p.Account != text || text != "" && p.Members[0].User != text) {
			t.Fatalf("%q became %q", text, p.Description)
		}
	})
}

// inOrder returns r as Parse reads it: sorted and without default values.
func inOrder(r directory.Records) directory.Records {
	r = directory.Records{Users: slices.Clone(r.Users), Projects: slices.Clone(r.Projects)}
	for i := range r.Users {
		u := &r.Users[i]
		if u.ID == directory.IDOf(directory.KindUser, u.Name) {
			u.ID = uuid.Nil
		}
		u.Keys = slices.Clone(u.Keys)
		slices.SortFunc(u.Keys, func(x, y directory.Key) int {
			kinds := directory.KeyKinds()
			return cmp.Or(slices.Index(kinds, x.Kind())-slices.Index(kinds, y.Kind()), strings.Compare(idOf(x), idOf(y)))
		})
	}
	slices.SortFunc(r.Users, func(x, y directory.User) int { return strings.Compare(x.Name, y.Name) })
	for i := range r.Projects {
		p := &r.Projects[i]
		p.Members, p.Topics, p.Subscriptions = slices.Clone(p.Members), slices.Clone(p.Topics), slices.Clone(p.Subscriptions)
		slices.SortFunc(p.Members, func(x, y directory.Member) int { return strings.Compare(x.User, y.User) })
		slices.SortFunc(p.Topics, func(x, y directory.Topic) int { return strings.Compare(x.Name, y.Name) })
		slices.SortFunc(p.Subscriptions, func(x, y directory.Subscription) int { return strings.Compare(x.Name, y.Name) })
	}
	slices.SortFunc(r.Projects, func(x, y directory.Project) int { return strings.Compare(x.Name, y.Name) })
	if len(r.Users) == 0 {
		r.Users = []directory.User{} // stated, for a file that says nothing is not read
	}
	return r
}

func idOf(k directory.Key) string {
	return cmp.Or(k.ID, k.DefaultID())
}

func shuffled(r directory.Records, seed uint64) directory.Records {
	random := rand.New(rand.NewPCG(seed, 7))
	mix(random, r.Users)
	mix(random, r.Projects)
	for i := range r.Users {
		mix(random, r.Users[i].Keys)
	}
	for i := range r.Projects {
		mix(random, r.Projects[i].Members)
		mix(random, r.Projects[i].Topics)
		mix(random, r.Projects[i].Subscriptions)
	}
	return r
}

func mix[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// some returns a random part of a list in random order; nil if it is empty.
func some[T any](random *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	mix(random, list)
	if n := random.IntN(len(list) + 1); n > 0 {
		return list[:n]
	}
	return nil
}

func one[T any](random *rand.Rand, list ...T) T { return list[random.IntN(len(list))] }

func randomTime(random *rand.Rand) time.Time {
	if random.IntN(2) == 0 {
		return time.Time{}
	}
	return time.Unix(1_700_000_000+random.Int64N(1e8), int64(one(random, 0, 1000, 123456789))).UTC()
}

func randomText(random *rand.Rand) string {
	return one(random, "", "", "what is sold", "yes", "12", "2026-01-31", "a: b # c", "é\n\"x\"", " ", "\u2028", strings.Repeat("very long ", 20), "a@b.example", "tab\there")
}

func randomID(random *rand.Rand) uuid.UUID {
	if random.IntN(2) == 0 {
		return uuid.Nil
	}
	var id uuid.UUID
	for i := range id {
		id[i] = byte(random.Uint32())
	}
	return id
}

func randomMade(random *rand.Rand) directory.Made {
	return directory.Made{Created: randomTime(random), Modified: randomTime(random), By: randomID(random)}
}

// randomRecords returns a directory in which each field may be set or not.
func randomRecords(random *rand.Rand) directory.Records {
	var r directory.Records
	for i := range random.IntN(40) {
		u := directory.User{
			ID: randomID(random), Name: fmt.Sprint(one(random, "", "u", "true-", "1-"), i), Disabled: random.IntN(3) == 0,
			ServiceRoles: some(random, directory.ServiceRoles()), Made: randomMade(random),
			Limits: directory.Limits{ConnectionTypes: some(random, directory.ConnectionTypes())},
		}
		profile := directory.Profile{
			FirstName: randomText(random), LastName: randomText(random),
			Organization: randomText(random), Description: randomText(random), Email: randomText(random),
		}
		if profile != (directory.Profile{}) {
			u.Profile = &profile
		}
		for j := range random.IntN(4) {
			k := directory.Key{
				Digest: directory.DigestOf(fmt.Sprint(i, j)), ID: one(random, "", fmt.Sprint("key-", j), fmt.Sprint(j)), Disabled: random.IntN(3) == 0,
				NotBefore: randomTime(random), Created: randomTime(random),
				Networks: some(random, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.7/32")}),
			}
			if at := randomTime(random); at.After(k.NotBefore) {
				k.Expires = at
			}
			u.Keys = append(u.Keys, k)
		}
		for _, other := range some(random, otherKeys(i)) {
			k := directory.Key{Other: &other, Disabled: random.IntN(3) == 0, Expires: randomTime(random), Created: randomTime(random)}
			if random.IntN(2) == 0 {
				k.ID = "a-" + string(other.Kind)
			}
			u.Keys = append(u.Keys, k)
		}
		r.Users = append(r.Users, u)
	}
	for i := range random.IntN(6) {
		r.Projects = append(r.Projects, randomProject(random, i, r.Users))
	}
	return r
}

// otherKeys returns a key of each kind but API keys, of the user with number i.
func otherKeys(i int) []directory.OtherKey {
	seed := [32]byte{byte(i)}
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, seed[:])
	if err != nil {
		panic(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		panic(err)
	}
	dn := fmt.Sprintf(`CN="a: b" #%d,O=é\, Inc`, i)
	dn = strings.ReplaceAll(dn, `"`, `\"`)
	return []directory.OtherKey{
		{Kind: directory.KeyNKey, NKey: public},
		{Kind: directory.KeyPassword, PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$hx2bF5nWp4VAYZ0iUMSXwkdqL6Jlo6RsRnhCZeC9Tqg"},
		{Kind: directory.KeyCertificate, DN: dn},
		{Kind: directory.KeyBinding, DN: dn, ServiceType: "ams", Host: "a.example"},
	}
}

func randomProject(random *rand.Rand, i int, users []directory.User) directory.Project {
	p := directory.Project{
		ID: randomID(random), Name: fmt.Sprint("p", i), Account: fmt.Sprint(one(random, "A", "1"), i),
		Description: randomText(random), Made: randomMade(random),
	}
	var members []string
	for _, u := range some(random, users) {
		m := directory.Member{User: u.Name, Roles: some(random, directory.Roles())}
		if m.Roles == nil {
			m.Roles = directory.Roles()[:1]
		}
		p.Members = append(p.Members, m)
		members = append(members, m.User)
	}
	for j := range random.IntN(5) {
		t := directory.Topic{Name: fmt.Sprint("t", j), Created: randomTime(random), ACL: some(random, members)}
		if random.IntN(3) == 0 {
			t.Subject = fmt.Sprint("own.", j)
		}
		p.Topics = append(p.Topics, t)
		if random.IntN(2) == 0 {
			continue
		}
		s := directory.Subscription{Name: fmt.Sprint("s", j), Topic: t.Name, AckDeadline: random.IntN(3), Created: randomTime(random), ACL: some(random, members)}
		if random.IntN(2) == 0 {
			s.Push = &directory.Push{}
		}
		if random.IntN(2) == 0 {
			s.Push = &directory.Push{
				Type: one(random, "", "http_endpoint", "mattermost"), Endpoint: randomText(random), MaxMessages: random.IntN(3),
				RetryType: one(random, "", "linear", "slowstart"), RetryPeriod: random.IntN(3), Base64Decode: random.IntN(2) == 0,
				MattermostURL: randomText(random), MattermostUsername: randomText(random), MattermostChannel: randomText(random),
				VerificationHash: strings.Repeat("0a", 32), Verified: random.IntN(2) == 0,
			}
			if random.IntN(2) == 0 {
				s.Push.Authorization = &directory.PushAuthorization{Sealed: []byte{1, byte(random.IntN(256)), 255}}
			}
			if random.IntN(3) == 0 && s.Push.Authorization != nil {
				s.Push.Authorization.Previous, s.Push.Authorization.PreviousUntil = []byte{1, 2}, randomTime(random)
			}
		}
		p.Subscriptions = append(p.Subscriptions, s)
	}
	return p
}
