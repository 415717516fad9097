package permissions_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// crowd is a user, and how many topics each project gives it; below 0: it is no member.
type crowd []int

func (c crowd) with(project, topics int) crowd {
	next := append(crowd(nil), c...)
	next[project] = topics
	return next
}

func (c crowd) facts(t *testing.T) *directory.Facts {
	t.Helper()
	r := directory.Records{Users: []directory.User{user("vic")}}
	for i, topics := range c {
		p := directory.Project{Name: fmt.Sprint("p", i), Account: "APP"}
		if topics >= 0 {
			p.Members = []directory.Member{member("vic", directory.RolePublisher)}
		}
		for n := range topics {
			p.Topics = append(p.Topics, directory.Topic{Name: fmt.Sprint("t", n), Subject: fmt.Sprintf("p%d.%02d.%s", i, n, strings.Repeat("x", 100)), ACL: []string{"vic"}})
		}
		r.Projects = append(r.Projects, p)
	}
	f, _ := snapshotOf(t, r).Facts("vic", "")
	return &f
}

// Attack: who administers several projects has all of them together fill a user's grant, so that another project cannot give it anything
// Held by: of n projects of one account that a user is in, each has 1/(2n) of a grant that the others cannot take
func TestEachProjectHasItsPart(t *testing.T) {
	const projects, limit = 5, 32 << 10
	p := &permissions.Policy{AdminAccount: "ADMIN", IngestAccount: "APP"}
	size := func(c crowd) int {
		n, err := p.Size(identity.Identity{Name: "vic", Method: identity.MethodAPIKey}, *c.facts(t))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	nothing := size(crowd{0})
	topic := size(crowd{1}) - nothing + 2
	made := func(c crowd, project, topics int) bool {
		id := directory.IDOf(directory.KindProject, fmt.Sprint("p", project))
		return !p.Harms(c.facts(t), c.with(project, topics).facts(t), &directory.Project{ID: id}, limit)
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused, crowded := 0, 0
	for range 30 {
		c := crowd{0, -1, -1, -1, -1} // the first one is the victim's own
		for range 40 {
			project := 1 + random.IntN(projects-1)
			topics := c[project] + 1 + random.IntN(40)
			if random.IntN(8) == 0 {
				topics = random.IntN(2) - 1
			}
			if !made(c, project, topics) {
				refused++
				continue
			}
			c = c.with(project, topics)
			n := 0
			for _, topics := range c {
				if topics >= 0 {
					n++
				}
			}
			// Whoever has less than its part gets there, in one step.
			entitlement := ((limit-nothing)/(2*n) - 200) / topic // but for what a project takes without topics
			for i, topics := range c {
				if topics >= 0 && topics < entitlement && n > 1 && !made(c, i, entitlement) {
					t.Fatalf("topics %v: p%d cannot have %d", c, i, entitlement)
				}
			}
			if size(c) > limit*3/4 {
				crowded++
			}
		}
	}
	if refused < 50 || crowded < 50 {
		t.Errorf("%d refusals, %d times it was nearly full: this shows little", refused, crowded)
	}
}
