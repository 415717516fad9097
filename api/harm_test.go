package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

// put changes the directory without the API.
func (s *service) put(entries ...directory.Entry) {
	s.t.Helper()
	_, err := s.store.Change(s.t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
	callouttest.Must(s.t, err)
}

// Attack: a project_admin adds a user of another project in the same account, and makes its grant too large for an answer
// Held by: a change of a project that reduces what a user gets outside of it is refused, and one project takes at most half of a grant
func TestGrantIsNotFilledUp(t *testing.T) {
	s := start(t, nil, func(c *api.Config) {
		withPolicy(c)
		c.MaxPayload = func() int64 { return 16 << 10 }
	})
	lab := directory.IDOf(directory.KindProject, "lab")
	var topics []directory.Entry
	for i := range 60 {
		topics = append(topics, directory.Entry{
			Key:   directory.ResourceKey(directory.KindTopic, lab, fmt.Sprint("t", i)),
			Value: &directory.Topic{Subject: fmt.Sprintf("lab.t%d.%s", i, strings.Repeat("x", 200))},
		})
	}
	s.put(topics...)
	if got := s.as("lab-admin", "POST", "/v1/projects/lab/members/pub:add", `{"roles":["publisher"]}`); got.code != http.StatusOK {
		t.Fatalf("%d %s", got.code, got.text)
	}
	refused := -1
	for i := range topics {
		got := s.as("lab-admin", "POST", fmt.Sprintf("/v1/projects/lab/topics/t%d:modifyAcl", i), `{"authorized_users":["pub"]}`)
		if got.code == http.StatusOK {
			continue
		}
		e := got.error(t)
		if refused = i; got.code != http.StatusConflict || !strings.Contains(strings.Join(e.Errors, " "), "pub:") || strings.Contains(got.text, "shop") {
			t.Errorf("topic %d: %d %s", i, got.code, got.text)
		}
		break
	}
	if refused < 5 || refused > 30 {
		t.Errorf("refused at topic %d", refused)
	}
	if facts, _ := s.store.Snapshot().Facts("pub", ""); !s.fits("pub", facts, 9<<10) {
		t.Error("one project takes more than half of the grant")
	}
	// The other project can still add topics, and a user that is only in this project can
	// have a grant that is too large.
	if got := s.as("admin", "POST", "/v1/projects/shop/topics/returns:modifyAcl", `{"authorized_users":["pub"]}`); got.code != http.StatusOK {
		t.Errorf("%d %s", got.code, got.text)
	}
	for i := range topics {
		if got := s.as("lab-admin", "POST", fmt.Sprintf("/v1/projects/lab/topics/t%d:modifyAcl", i), `{"authorized_users":["lab-pub"]}`); got.code != http.StatusOK {
			t.Fatalf("%d %s", got.code, got.text)
		}
	}
	if facts, _ := s.store.Snapshot().Facts("lab-pub", ""); s.fits("lab-pub", facts, 16<<10) {
		t.Error("the grant of lab-pub is smaller than expected")
	}
	// The limit does not apply to a service_admin.
	s.root(200, "POST", fmt.Sprintf("/v1/projects/lab/topics/t%d:modifyAcl", refused), `{"authorized_users":["pub"]}`)
	s.noSecrets()
}

func (s *service) fits(user string, facts directory.Facts, limit int) bool {
	s.t.Helper()
	n, err := policy().Size(identity.Identity{Name: user, Method: identity.MethodAPIKey}, facts)
	callouttest.Must(s.t, err)
	return n <= limit
}

// Attack: a project_admin adds users of other projects to one whose roles have a scope, so that their connections are ambiguous
// Held by: a change of a project that gives a user another scope, another account or no grant outside of it is refused
func TestScopeOfOtherProjects(t *testing.T) {
	s := start(t, nil, func(c *api.Config) {
		withPolicy(c)
		c.Policy.Scoped = []permissions.ScopedRole{{Account: "APP", Role: "consumer"}}
	})
	none := s.as("admin", "POST", "/v1/projects/shop/members/none:add", `{"roles":["consumer"]}`)
	for _, victim := range []string{"lab-pub", "root"} {
		got := s.as("admin", "POST", "/v1/projects/shop/members/"+victim+":add", `{"roles":["consumer"]}`)
		if got.code != http.StatusNotFound || got.error(t).Errors[0] != none.error(t).Errors[0] {
			t.Errorf("%s: %d %s", victim, got.code, got.text)
		}
		if got := s.as("admin", "POST", "/v1/projects/shop/members/"+victim+":add", `{"roles":["publisher"]}`); got.code != http.StatusOK {
			t.Errorf("%s with a role without a scope: %d %s", victim, got.code, got.text)
		}
		got = s.as("admin", "PUT", "/v1/projects/shop/members/"+victim, `{"projects":[{"roles":["consumer"]}]}`)
		if got.code != http.StatusConflict {
			t.Errorf("%s gets that role later: %d %s", victim, got.code, got.text)
		}
	}
	if got := s.as("admin", "PUT", "/v1/projects/shop/members/pub", `{"projects":[{"roles":["consumer"]}]}`); got.code != http.StatusOK {
		t.Errorf("a user of this project only: %d %s", got.code, got.text)
	}
}

// Attack: a project_admin adds a user without roles that another administrator created, so that the creator cannot see it any more
// Held by: a user without roles belongs to its creator, until a service_admin gives it a role
func TestUserWithoutRolesBelongsToCreator(t *testing.T) {
	s := start(t, nil, withPolicy)
	const add = `{"roles":["publisher"]}`
	cannotAdd := func(who, project, user string) {
		t.Helper()
		if got := s.as(who, "POST", "/v1/projects/"+project+"/members/"+user+":add", add); got.code != http.StatusNotFound {
			t.Errorf("%s adds %s to %s: %d %s", who, user, project, got.code, got.text)
		}
	}
	cannotAdd("admin", "shop", "nobody") // its creator is unknown
	if got := s.as("admin", "POST", "/v1/projects/shop/members/mine", `{"projects":[{"roles":["publisher"]}]}`); got.code != http.StatusOK {
		t.Fatalf("%d %s", got.code, got.text)
	}
	if got := s.as("admin", "POST", "/v1/projects/shop/members/mine:remove", ""); got.code != http.StatusOK {
		t.Fatalf("%d %s", got.code, got.text)
	}
	cannotAdd("lab-admin", "lab", "mine")
	if got := s.as("admin", "POST", "/v1/projects/shop/members/mine:add", add); got.code != http.StatusOK {
		t.Errorf("its creator: %d %s", got.code, got.text)
	}
	// An export contains the creator.
	creator := directory.IDOf(directory.KindUser, "admin").String()
	if got := s.root(200, "GET", "/v1/directory:export", ""); !strings.Contains(got.text, "created_by: "+creator) {
		t.Errorf("the creator is not exported: %s", got.text)
	}
	s.root(200, "POST", "/v1/projects/shop/members/nobody:add", add)
	if got := s.as("lab-admin", "POST", "/v1/projects/lab/members/nobody:add", add); got.code != http.StatusOK {
		t.Errorf("a user with a role from a service_admin: %d %s", got.code, got.text)
	}
}

// Attack: a project_admin lists users by trying to create users with their names
// Held by: after 20 taken names, the administrators of a project can try one name a minute
func TestGuessingNames(t *testing.T) {
	s := start(t, nil, withPolicy)
	second := decode[wire.UserCreated](t, s.as("admin", "POST", "/v1/projects/shop/members/admin2", `{"projects":[{"roles":["project_admin"]}]}`))
	s.keys["admin2"] = second.Token
	const body = `{"projects":[{"roles":["publisher"]}]}`
	try := func(who, user string) response {
		return s.as(who, "POST", "/v1/projects/shop/members/"+user, body)
	}
	for i := range 20 {
		got := try([]string{"admin", "admin2"}[i%2], "lab-con")
		if got.code != http.StatusConflict {
			t.Fatalf("%d: %d %s", i, got.code, got.text)
		}
	}
	for _, who := range []string{"admin", "admin2"} {
		for _, user := range []string{"lab-con", "free"} {
			got := try(who, user)
			if got.error(t); got.code != http.StatusTooManyRequests || got.Get("Retry-After") != "60" {
				t.Errorf("%s: %d %s", user, got.code, got.text)
			}
			if got := s.as(who, "POST", "/v1/projects/shop/members/"+user+":add", `{"roles":["publisher"]}`); got.code != http.StatusTooManyRequests {
				t.Errorf("%s: %d %s", user, got.code, got.text)
			}
		}
	}
	if _, ok := s.store.Snapshot().User("free"); ok {
		t.Error("the user was created")
	}
	if got := s.as("lab-admin", "POST", "/v1/projects/lab/members/free-too", body); got.code != http.StatusOK {
		t.Errorf("another project: %d %s", got.code, got.text)
	}
	if got := try("root", "lab-con"); got.code != http.StatusConflict {
		t.Errorf("a service_admin: %d %s", got.code, got.text)
	}
	s.now.Add(int64(time.Minute / time.Second))
	if got := try("admin", "free"); got.code != http.StatusOK {
		t.Errorf("after a minute: %d %s", got.code, got.text)
	}
}
