package snapshot_test

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/directory"
	"usher/tokens/apikey"
)

// company describes the directory of a large company: every user has a key and is a member
// of one project, roles are mixed, and each topic's ACL names a third of the members. Users
// are in another order than the members of projects.
type company struct{ users, projects int }

const topicsPerProject = 9

// records returns the directory as a decoder does: every occurrence of a name is a string
// of its own.
func (c company) records(tb testing.TB) directory.Records {
	tb.Helper()
	r := directory.Records{Users: make([]directory.User, c.users), Projects: make([]directory.Project, c.projects)}
	for i := range r.Users {
		r.Users[i] = c.user(tb, i)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(c.users)
	each := c.users / c.projects
	for p := range r.Projects {
		r.Projects[p] = c.project(p, order[p*each:(p+1)*each])
	}
	return r
}

func (company) user(tb testing.TB, i int) directory.User {
	tb.Helper()
	u := directory.User{Name: userName(i), Keys: []directory.Key{{Digest: directory.DigestOf(token(tb, i))}}}
	switch k := &u.Keys[0]; i % 20 {
	case 0:
		k.ID = "laptop-" + strconv.Itoa(i%10)
	case 1:
		k.Expires = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	case 2:
		k.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	case 3:
		u.Limits.ConnectionTypes = []directory.ConnectionType{directory.ConnectionStandard}
	}
	return u
}

func (company) project(p int, users []int) directory.Project {
	project := directory.Project{Name: "project-" + strconv.Itoa(p), Account: "ACCOUNT-" + strconv.Itoa(p%10)}
	for _, i := range users {
		var roles []directory.Role
		for _, role := range rolesOf(i) {
			roles = append(roles, directory.Role(strings.Clone(string(role))))
		}
		project.Members = append(project.Members, directory.Member{User: userName(i), Roles: roles})
	}
	for t := range topicsPerProject {
		var publishers, consumers []string
		for _, i := range users {
			if !inACL(i, t) {
				continue
			}
			roles := rolesOf(i)
			if slices.Contains(roles, directory.RolePublisher) {
				publishers = append(publishers, userName(i))
			}
			if slices.Contains(roles, directory.RoleConsumer) {
				consumers = append(consumers, userName(i))
			}
		}
		name := "topic-" + strconv.Itoa(t)
		project.Topics = append(project.Topics, directory.Topic{Name: name, ACL: publishers})
		project.Subscriptions = append(project.Subscriptions,
			directory.Subscription{Name: "sub-" + strconv.Itoa(t), Topic: strings.Clone(name), ACL: consumers})
	}
	return project
}

// rolesOf makes one user in 50 an administrator. Of the others, half are publishers, a
// quarter consumers and a quarter both.
func rolesOf(i int) []directory.Role {
	switch {
	case i%50 == 0:
		return []directory.Role{directory.RoleProjectAdmin}
	case i%4 < 2:
		return []directory.Role{directory.RolePublisher}
	case i%4 == 2:
		return []directory.Role{directory.RoleConsumer}
	default:
		return []directory.Role{directory.RolePublisher, directory.RoleConsumer}
	}
}

// inACL puts every user in the ACLs of a third of the topics.
func inACL(i, t int) bool { return (i/7+t)%topicsPerProject%3 == i%3 }

func userName(i int) string { return "user-" + strconv.Itoa(i) }

// token returns the API key of user i, in the form of keys that usher creates.
func token(tb testing.TB, i int) string {
	tb.Helper()
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(i))
	key, err := apikey.New(&repeated{sum: sha256.Sum256(number[:])})
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// repeated is a reader that repeats the same bytes.
type repeated struct{ sum [sha256.Size]byte }

func (r *repeated) Read(p []byte) (int, error) { return copy(p, r.sum[:]), nil }

var _ io.Reader = (*repeated)(nil)
