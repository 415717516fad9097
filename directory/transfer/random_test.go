package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
)

// TestEveryPartIsValid turns random directories into others, in parts that are as small as
// possible. After every part the directory keeps all rules and has an administrator, and a
// new plan from there leads to the same result.
func TestEveryPartIsValid(t *testing.T) {
	refused, made := map[error]int{}, 0
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 60))
		from, to := randomDirectory(random), randomDirectory(random)
		o := Options{Replace: random.IntN(3) > 0, Now: now}
		limit := 1 + random.IntN(30)
		current := newSnapshot(t, copied(from))
		p, err := plan(current, to, o, limit)
		if err != nil {
			var problems directory.Problems
			switch {
			case errors.As(err, &problems) && !o.Replace: // two directories need not go together
			case errors.Is(err, ErrLockout), errors.Is(err, ErrTooManySwaps):
				refused[err]++
			default:
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		made++
		s := &store{t: t, current: current}
		entries := 0
		for chunk := range p.Chunks() {
			entries += len(chunk)
			if len(chunk) > limit {
				t.Fatalf("seed %d: %d entries at once, of at most %d", seed, len(chunk), limit)
			}
			if _, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return chunk, nil }); err != nil {
				t.Fatalf("seed %d, limit %d: %v\n%v", seed, limit, err, chunk)
			}
			if !managed(s.current) {
				t.Fatalf("seed %d: nobody can manage the directory", seed)
			}
			if random.IntN(4) == 0 {
				resumes(t, seed, s.current, to, o)
			}
		}
		if entries != p.Len() {
			t.Fatalf("seed %d: %d entries of %d", seed, entries, p.Len())
		}
		if o.Replace {
			if got, want := text(t, s.current.Records()), text(t, to); got != want {
				t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
			}
		}
		if again, err := plan(s.current, to, o, limit); err != nil || again.Len() != 0 {
			t.Fatalf("seed %d: run again: %v, %v", seed, err, slices.Collect(again.Lines()))
		}
	}
	t.Logf("%d plans were made, refused: %v", made, refused)
	if made < 500 {
		t.Error("too few plans are made")
	}
}

// resumes expects a new plan from here to lead to the result of the first plan.
func resumes(t *testing.T, seed uint64, from *snapshot.Snapshot, to directory.Records, o Options) {
	t.Helper()
	rest, err := New(from, to, o)
	if err != nil {
		t.Fatalf("seed %d: resume: %v", seed, err)
	}
	end, err := Run(t.Context(), &store{t: t, current: from}, rest, nil)
	if err != nil {
		t.Fatalf("seed %d: resume: %v", seed, err)
	}
	if end == nil {
		end = from
	}
	if again, err := New(end, to, o); err != nil || again.Len() != 0 {
		t.Fatalf("seed %d: resume: %v, %v", seed, err, slices.Collect(again.Lines()))
	}
}

func managed(s *snapshot.Snapshot) bool {
	t := target{o: Options{Now: now}}
	for u := range s.Users() {
		if t.willAdminister(u) {
			return true
		}
	}
	return false
}

// text describes a directory without times, ids and the order of sets.
func text(t *testing.T, r directory.Records) string {
	t.Helper()
	r = copied(r)
	for i := range r.Users {
		u := &r.Users[i]
		u.ID, u.Made = uuid.Nil, directory.Made{}
		slices.Sort(u.ServiceRoles)
		for j := range u.Keys {
			u.Keys[j].ID, u.Keys[j].Created = "", time.Time{} // one that is not stated stays
		}
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		p.ID, p.Made = uuid.Nil, directory.Made{}
		for j := range p.Members {
			slices.Sort(p.Members[j].Roles)
		}
		for j := range p.Topics {
			slices.Sort(p.Topics[j].ACL)
			p.Topics[j].Created = time.Time{}
		}
		for j := range p.Subscriptions {
			slices.Sort(p.Subscriptions[j].ACL)
			p.Subscriptions[j].Created = time.Time{}
		}
	}
	var b bytes.Buffer
	if err := file.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func copied(r directory.Records) directory.Records {
	r = directory.Records{Users: slices.Clone(r.Users), Projects: slices.Clone(r.Projects)}
	for i := range r.Users {
		u := &r.Users[i]
		u.Keys, u.ServiceRoles = slices.Clone(u.Keys), slices.Clone(u.ServiceRoles)
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		p.Members, p.Topics, p.Subscriptions = slices.Clone(p.Members), slices.Clone(p.Topics), slices.Clone(p.Subscriptions)
		for j := range p.Members {
			p.Members[j].Roles = slices.Clone(p.Members[j].Roles)
		}
		for j := range p.Topics {
			p.Topics[j].ACL = slices.Clone(p.Topics[j].ACL)
		}
		for j := range p.Subscriptions {
			p.Subscriptions[j].ACL = slices.Clone(p.Subscriptions[j].ACL)
		}
	}
	return r
}

// randomDirectory returns a directory of few names, ids, keys and subjects, so that two of
// them have much in common and swap much.
func randomDirectory(random *rand.Rand) directory.Records {
	for {
		if r := tryDirectory(random); good(r) {
			return r
		}
	}
}

func good(r directory.Records) bool {
	s, err := snapshot.New(copied(r))
	return err == nil && managed(s)
}

func tryDirectory(random *rand.Rand) directory.Records {
	var r directory.Records
	digests := random.Perm(12)
	ids := random.Perm(8)
	for i, n := range random.Perm(6)[:1+random.IntN(6)] {
		u := directory.User{Name: fmt.Sprint("u", n), Disabled: random.IntN(6) == 0}
		if random.IntN(2) == 0 {
			u.ID = uuid.UUID{1, byte(ids[i])}
		}
		if random.IntN(2) == 0 {
			u.ServiceRoles = []directory.ServiceRole{directory.ServiceRoleAdmin, directory.ServiceRoleIngest}[:1+random.IntN(2)]
		}
		for j := range random.IntN(3) {
			digest := digests[0]
			digests = digests[1:]
			k := key(fmt.Sprint("k", digest))
			k.ID = []string{"", fmt.Sprint("k", j)}[random.IntN(2)]
			u.Keys = append(u.Keys, k)
			if len(digests) == 0 {
				break
			}
		}
		if random.IntN(3) == 0 {
			u.Keys = append(u.Keys, password(bcryptHash[:5]+fmt.Sprint(random.IntN(3))+bcryptHash[6:]))
		}
		if random.IntN(3) == 0 {
			k := certificate(fmt.Sprint("CN=", random.IntN(8)))
			k.ID = []string{"", "cert"}[random.IntN(2)]
			u.Keys = append(u.Keys, k)
		}
		r.Users = append(r.Users, u)
		if len(digests) == 0 {
			break
		}
	}
	for i, n := range random.Perm(4)[:random.IntN(5)] {
		p := directory.Project{Name: fmt.Sprint("p", n), Account: fmt.Sprint("A", random.IntN(3))}
		if random.IntN(2) == 0 {
			p.ID = uuid.UUID{2, byte(ids[i])}
		}
		fill(random, &p, r.Users)
		r.Projects = append(r.Projects, p)
	}
	return r
}

func fill(random *rand.Rand, p *directory.Project, users []directory.User) {
	var members []string
	for _, u := range users {
		if random.IntN(2) == 0 {
			roles := directory.Roles()[random.IntN(3):]
			p.Members = append(p.Members, directory.Member{User: u.Name, Roles: slices.Clone(roles)})
			members = append(members, u.Name)
		}
	}
	acl := func() []string {
		var list []string
		for _, name := range members {
			if random.IntN(2) == 0 {
				list = append(list, name)
			}
		}
		return list
	}
	for _, n := range random.Perm(4)[:random.IntN(5)] {
		t := directory.Topic{Name: fmt.Sprint("t", n), ACL: acl()}
		switch random.IntN(6) {
		case 0:
			t.Subject = fmt.Sprint(p.Name, ".t", random.IntN(4))
		case 1:
			t.Subject = fmt.Sprint("own", ".t", random.IntN(4))
		case 2:
			t.Subject = fmt.Sprint("p", random.IntN(4), ".t", random.IntN(4))
		}
		p.Topics = append(p.Topics, t)
	}
	for n := range random.IntN(4) {
		if len(p.Topics) > 0 {
			p.Subscriptions = append(p.Subscriptions, directory.Subscription{
				Name: fmt.Sprint("s", n), Topic: p.Topics[random.IntN(len(p.Topics))].Name, AckDeadline: random.IntN(2), ACL: acl(),
			})
		}
	}
}
