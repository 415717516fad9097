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

// topicCounts is the number of topics that each project gives a user; below 0: the user is
// not a member.
type topicCounts []int

func (c topicCounts) with(project, topics int) topicCounts {
	next := append(topicCounts(nil), c...)
	next[project] = topics
	return next
}

func (c topicCounts) facts(t *testing.T) *directory.Facts {
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

// Attack: the admin of several projects fills a user's grant with them, so that another project cannot give the user anything
// Held by: each of the n projects of an account that a user is in has 1/(2n) of the grant, which the others cannot take
func TestGuaranteedShare(t *testing.T) {
	const projects, limit = 5, 32 << 10
	p := &permissions.Policy{AdminAccount: "ADMIN", IngestAccount: "APP"}
	size := func(c topicCounts) int {
		n, err := p.Size(identity.Identity{Name: "vic", Method: identity.MethodAPIKey}, *c.facts(t))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	empty := size(topicCounts{0})
	topic := size(topicCounts{1}) - empty + 2
	allowed := func(c topicCounts, project, topics int) bool {
		id := directory.IDOf(directory.KindProject, fmt.Sprint("p", project))
		return !p.Harms(c.facts(t), c.with(project, topics).facts(t), &directory.Project{ID: id}, limit)
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused, nearlyFull := 0, 0
	for range 30 {
		c := topicCounts{0, -1, -1, -1, -1} // the first project belongs to the victim
		for range 40 {
			project := 1 + random.IntN(projects-1)
			topics := c[project] + 1 + random.IntN(40)
			if random.IntN(8) == 0 {
				topics = random.IntN(2) - 1
			}
			if !allowed(c, project, topics) {
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
			// A project below its guaranteed share can grow to it in one step.
			guaranteed := ((limit-empty)/(2*n) - 200) / topic // less the size of a project without topics
			for i, topics := range c {
				if topics >= 0 && topics < guaranteed && n > 1 && !allowed(c, i, guaranteed) {
					t.Fatalf("topics %v: p%d cannot have %d", c, i, guaranteed)
				}
			}
			if size(c) > limit*3/4 {
				nearlyFull++
			}
		}
	}
	if refused < 50 || nearlyFull < 50 {
		t.Errorf("only %d refusals, and only %d times nearly full", refused, nearlyFull)
	}
}
