package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"usher/api"
	"usher/directory"
)

// Attack: who administers two projects fills a user's grant by both, and a third project cannot give it its own topics any more
// Held by: of n projects of one account that a user is in, each has 1/(2n) of a grant that the others cannot take
func TestTwoProjectsLeaveRoom(t *testing.T) {
	const limit = 64 << 10
	s := start(t, nil, func(c *api.Config) {
		withPolicy(c)
		c.MaxPayload = func() int64 { return limit }
	})
	s.root(200, "POST", "/v1/projects/lab2", `{"account":"APP"}`)
	s.root(200, "POST", "/v1/projects/lab2/members/lab-admin:add", `{"roles":["project_admin"]}`)
	// give has an administrator give a user topics until that is refused, and returns
	// how many there were.
	give := func(who, project string, length, most int) (given int) {
		t.Helper()
		p, _ := s.store.Snapshot().Project(project)
		var topics []directory.Entry
		for i := range most {
			topics = append(topics, directory.Entry{
				Key:   directory.ResourceKey(directory.KindTopic, p.ID, fmt.Sprint("n", length, "-", i)),
				Value: &directory.Topic{Subject: fmt.Sprintf("%s.%d.%d.%s", project, length, i, strings.Repeat("x", length))},
			})
		}
		s.put(topics...)
		for i := range most {
			got := s.as(who, "POST", fmt.Sprintf("/v1/projects/%s/topics/n%d-%d:modifyAcl", project, length, i), `{"authorized_users":["pub"]}`)
			switch got.code {
			case http.StatusOK:
				given++
			case http.StatusConflict:
				return given
			default:
				t.Fatalf("%d %s", got.code, got.text)
			}
		}
		return given
	}
	for _, p := range []string{"lab", "lab2"} {
		if got := s.as("lab-admin", "POST", "/v1/projects/"+p+"/members/pub:add", `{"roles":["publisher"]}`); got.code != http.StatusOK {
			t.Fatalf("%d %s", got.code, got.text)
		}
		// Large ones first, then small ones into what is left.
		if large, small := give("lab-admin", p, 200, 120), give("lab-admin", p, 1, 120); large < 20 || large == 120 || small == 120 {
			t.Errorf("%s: %d large topics, %d small ones", p, large, small)
		}
	}
	// A sixth of 64 KiB, of which a topic takes somewhat more than 100·16/9 bytes.
	if given := give("admin", "shop", 100, 120); given < 40 || given == 120 {
		t.Errorf("the project of its own gives it %d topics", given)
	}
	if facts, _ := s.store.Snapshot().Facts("pub", ""); !s.fits("pub", facts, limit) {
		t.Error("it is not let in any more")
	}
}
