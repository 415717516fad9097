package api_test

import (
	"net/http"
	"strings"
	"testing"

	"usher/api"
	"usher/api/wire"
	"usher/identity"
	"usher/permissions"
)

// policy returns the accounts of service roles.
func policy() *permissions.Policy {
	return &permissions.Policy{AdminAccount: "APP", IngestAccount: "INGEST", CalloutAccount: "AUTH", SystemAccount: "SYS"}
}

func withPolicy(c *api.Config) { c.Policy, c.Reserved = policy(), []string{"AUTH", "SYS"} }

// granted reports whether a user gets a grant if it selects no project.
func (s *service) granted(user string) bool {
	s.t.Helper()
	facts, _ := s.store.Snapshot().Facts(user, "")
	_, err := policy().Derive(identity.Identity{Name: user, Method: identity.MethodAPIKey, Authority: identity.AuthorityDirectory}, facts)
	return err == nil
}

// A project_admin cannot lock users of other projects out of NATS, and learns nothing about them.
//
// Attack: a project_admin adds users of another account, so that their connections are ambiguous and denied
// Held by: only a service_admin can add a user that has roles in another account
func TestAddUserOfOtherAccount(t *testing.T) {
	s := start(t, nil, withPolicy)
	s.root(200, "POST", "/v1/projects/evil", `{"account":"EVIL"}`)
	s.keys["mallory"] = decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/mallory", `{"projects":[{"project":"evil","roles":["project_admin"]}]}`)).Token
	s.root(200, "PUT", "/v1/users/root", `{"email":"root@example.org"}`)
	const add = `{"roles":["consumer"]}`
	none := s.as("mallory", "POST", "/v1/projects/evil/members/none:add", add)
	unknown := none.error(t)
	for _, user := range []string{"pub", "root", "ingest", "lab-admin", "nobody"} {
		got := s.as("mallory", "POST", "/v1/projects/evil/members/"+user+":add", add)
		e := got.error(t)
		if got.code != http.StatusNotFound || !s.granted(user) && user != "nobody" || len(e.Errors) != 1 || e.Message != unknown.Message || e.Errors[0] != unknown.Errors[0] {
			t.Errorf("%s: granted %t, %d %s; unknown: %+v", user, s.granted(user), got.code, got.text, unknown)
		}
	}
	for _, tt := range []struct{ who, path, body string }{
		{"mallory", "/v1/projects/evil/members/new", `{"projects":[{"roles":["consumer"]}]}`},
		{"admin", "/v1/projects/shop/members/lab-pub:add", add}, // in the same account
		{"admin", "/v1/projects/shop/members/root:add", add},
		{"root", "/v1/projects/evil/members/pub:add", add}, // a service_admin
	} {
		if got := s.as(tt.who, "POST", tt.path, tt.body); got.code != http.StatusOK || strings.Contains(got.text, "service_admin") {
			t.Errorf("%s %s: %d %s", tt.who, tt.path, got.code, got.text)
		}
	}
	for _, path := range []string{"/v1/projects/shop/members", "/v1/projects/shop/members/root"} {
		if got := s.as("admin", "GET", path, ""); got.code != http.StatusOK || strings.Contains(got.text, "service_admin") || !strings.Contains(got.text, `"root"`) {
			t.Errorf("shown to a project_admin: %s", got.text)
		}
	}
}

// This holds even if no other project is in the account.
//
// Attack: a project_admin gives a topic a subject outside of its project
// Held by: only a service_admin can give a topic a subject outside of its project
func TestSubjectOutsideOfProject(t *testing.T) {
	s := start(t, nil, withPolicy)
	s.root(200, "POST", "/v1/projects/solo", `{"account":"SOLO"}`)
	s.keys["mallory"] = decode[wire.UserCreated](t, s.root(200, "POST", "/v1/users/mallory", `{"projects":[{"project":"solo","roles":["project_admin"]}]}`)).Token
	for topic, subject := range map[string]string{"a": "solo", "b": "solox.y", "c": "shop.orders", "d": "events.deploy"} {
		got := s.as("mallory", "PUT", "/v1/projects/solo/topics/"+topic, `{"subject":"`+subject+`"}`)
		if got.code != http.StatusForbidden || !strings.Contains(got.text, "solo.") {
			t.Errorf("%s: %d %s", subject, got.code, got.text)
		}
	}
	for topic, body := range map[string]string{"e": "", "f": `{"subject":"solo.deep.down"}`} {
		if got := s.as("mallory", "PUT", "/v1/projects/solo/topics/"+topic, body); got.code != http.StatusOK {
			t.Errorf("%s: %d %s", topic, got.code, got.text)
		}
	}
	s.root(200, "PUT", "/v1/projects/solo/topics/g", `{"subject":"events.deploy"}`)
}

// Attack: a service_admin puts a project into the callout account or the system account
// Held by: the API and imports refuse it
func TestReservedAccounts(t *testing.T) {
	s := start(t, nil, withPolicy)
	for _, account := range []string{"AUTH", "SYS"} {
		for _, got := range []response{
			s.as("root", "POST", "/v1/projects/new", `{"account":"`+account+`"}`),
			s.as("root", "PUT", "/v1/projects/shop", `{"account":"`+account+`"}`),
			s.as("root", "POST", "/v1/directory:import", "projects: [{name: new, account: "+account+"}]\n"),
			s.as("root", "POST", "/v1/directory:import?account="+account, "projects: [{name: new}]\n"),
			s.as("root", "POST", "/v1/directory:import?dryRun=true", "projects: [{name: new, account: "+account+"}]\n"),
		} {
			if got.code != http.StatusBadRequest || !strings.Contains(got.text, "no client is placed there") || strings.Contains(got.text, `"status":"BAD_REQUEST"`) {
				t.Errorf("%s: %d %s", account, got.code, got.text)
			}
		}
	}
	for p := range s.store.Snapshot().Projects() {
		if p.Account != "APP" {
			t.Errorf("project %s is in account %s", p.Name, p.Account)
		}
	}
	other := start(t, nil, func(c *api.Config) { c.DefaultAccount, c.Reserved = "AUTH", []string{"AUTH"} })
	other.root(400, "POST", "/v1/projects/new", "")
}
