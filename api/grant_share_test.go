package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"usher/api"
	"usher/directory"
)

// Attack: an administrator of two projects fills a user's grant with topics of both, so that a third project cannot add topics
// Held by: if a user is in n projects of one account, each project has 1/(2n) of the grant that the others cannot take
func TestTwoProjectsLeaveShare(t *testing.T) {
	const limit = 64 << 10
	s := start(t, nil, func(c *api.Config) {
		withPolicy(c)
		c.MaxPayload = func() int64 { return limit }
	})
	s.root(200, "POST", "/v1/projects/lab2", `{"account":"APP"}`)
	s.root(200, "POST", "/v1/projects/lab2/members/lab-admin:add", `{"roles":["project_admin"]}`)
	// give adds topics to the grant of pub until that is refused, and returns their number.
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
		// Large topics first, then small ones that fit into the rest.
		if large, small := give("lab-admin", p, 200, 120), give("lab-admin", p, 1, 120); large < 20 || large == 120 || small == 120 {
			t.Errorf("%s: %d large topics, %d small ones", p, large, small)
		}
	}
	// The share is a sixth of 64 KiB; a topic takes more than 100·16/9 bytes.
	if given := give("admin", "shop", 100, 120); given < 40 || given == 120 {
		t.Errorf("the third project added %d topics", given)
	}
	if facts, _ := s.store.Snapshot().Facts("pub", ""); !s.fits("pub", facts, limit) {
		t.Error("the grant does not fit")
	}
}
