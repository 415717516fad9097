package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/directory"
)

// Lookups give the same results as a linear search in the records.
func TestIndexes(t *testing.T) {
	for _, users := range []int{0, 1, 2, 3, 511, 512, 513, 3000} {
		random := rand.New(rand.NewPCG(1, uint64(users)))
		r := scattered(random, users)
		read := scattered(rand.New(rand.NewPCG(1, uint64(users))), users) // the others belong to the snapshot
		s := newSnapshot(t, r)
		for i := range read.Users {
			u := &read.Users[i]
			f, ok := s.Facts(u.Name, "")
			if got, want := factsText(&f), readText(&read, u.Name); !ok || f.User.Name != u.Name || got != want {
				t.Fatalf("of %d users, %s: got %s, want %s", users, u.Name, got, want)
			}
			for j, k := range u.Keys {
				rec, ok := s.LookupKey(k.Digest)
				if k.ID == "" {
					k.ID = k.Digest.KeyID()
				}
				at := slices.IndexFunc(f.User.Keys, func(x directory.Key) bool { return x.ID == k.ID })
				if !ok || rec.User != f.User || at < 0 || rec.Key != &f.User.Keys[at] || rec.Key.ID != k.ID || rec.Key.Digest != k.Digest {
					t.Fatalf("of %d users, %s: key %d is not found", users, u.Name, j)
				}
			}
			if _, ok := s.Facts(u.Name+"x", ""); ok {
				t.Fatalf("%sx is a user", u.Name)
			}
			if _, ok := s.LookupKey(directory.DigestOf(u.Name)); ok {
				t.Fatalf("the name of %s is a key", u.Name)
			}
		}
		if got := s.Size(); got.Users != users || got.Projects != len(read.Projects) {
			t.Errorf("of %d users: %+v", users, got)
		}
	}
}

// scattered returns a directory of users with up to 4 keys and memberships, in random ACLs.
func scattered(random *rand.Rand, users int) directory.Records {
	const projects = 7
	r := directory.Records{Users: make([]directory.User, users)}
	for p := range projects {
		project := directory.Project{Name: "p" + strconv.Itoa(p*5%projects), Account: "A"}
		for n := range 5 {
			name := strconv.Itoa(n * 3 % 5)
			project.Topics = append(project.Topics, directory.Topic{Name: "t" + name})
			project.Subscriptions = append(project.Subscriptions, directory.Subscription{Name: "s" + name, Topic: "t" + name})
		}
		r.Projects = append(r.Projects, project)
	}
	for i := range r.Users {
		u := &r.Users[i]
		u.Name = "u" + strconv.Itoa(i)
		for k := range random.IntN(5) {
			key := directory.Key{Digest: directory.DigestOf(fmt.Sprintf("%s-%d", u.Name, k))}
			if k == 1 {
				key.ID = "own"
			}
			u.Keys = append(u.Keys, key)
		}
		for _, p := range random.Perm(projects)[:random.IntN(5)] {
			scatter(random, &r.Projects[p], u.Name)
		}
	}
	return r
}

func scatter(random *rand.Rand, p *directory.Project, user string) {
	roles := directory.Roles()[:1+random.IntN(3)]
	p.Members = append(p.Members, directory.Member{User: user, Roles: roles})
	for i := range p.Topics {
		if random.IntN(2) == 0 {
			p.Topics[i].ACL = append(p.Topics[i].ACL, user)
		}
		if random.IntN(3) == 0 {
			p.Subscriptions[i].ACL = append(p.Subscriptions[i].ACL, user)
		}
	}
}

// readText is factsText, computed from the records.
func readText(r *directory.Records, user string) string {
	var of []string
	for i := range r.Projects {
		p := &r.Projects[i]
		at := slices.IndexFunc(p.Members, func(m directory.Member) bool { return m.User == user })
		if at < 0 {
			continue
		}
		var topics, subs []string
		for j := range p.Topics {
			if slices.Contains(p.Topics[j].ACL, user) {
				topics = append(topics, " "+p.Name+"."+p.Topics[j].Name)
			}
			if slices.Contains(p.Subscriptions[j].ACL, user) {
				subs = append(subs, " "+p.Subscriptions[j].Name)
			}
		}
		slices.Sort(topics)
		slices.Sort(subs)
		of = append(of, fmt.Sprintf("%s %v topics%s subs%s; ", p.Name, p.Members[at].Roles, strings.Join(topics, ""), strings.Join(subs, "")))
	}
	slices.Sort(of)
	return strings.Join(of, "")
}
