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

// policy is where service roles land.
func policy() *permissions.Policy {
	return &permissions.Policy{AdminAccount: "APP", IngestAccount: "INGEST", CalloutAccount: "AUTH", SystemAccount: "SYS"}
}

func withPolicy(c *api.Config) { c.Policy, c.Reserved = policy(), []string{"AUTH", "SYS"} }

// granted reports whether a user that asks for nothing in particular is let in.
func (s *service) granted(user string) bool {
	s.t.Helper()
	facts, _ := s.store.Snapshot().Facts(user, "")
	_, err := policy().Derive(identity.Identity{Name: user, Method: identity.MethodAPIKey, Authority: identity.AuthorityDirectory}, facts)
	return err == nil
}

// Whoever administers a project does not keep others off NATS by making them
// members of it, and learns nothing of them.
//
// Attack: a project_admin adds users of another account, so that they are ambiguous and denied
// Held by: only a service_admin adds a user that has roles in another account
func TestAddStranger(t *testing.T) {
	s := start(t, nil, withPolicy)
	s.root(200, "POST", "/v1/projects/evil", `{"account":"EVIL"}`)
	s.keys["mallory"] = into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/mallory", `{"projects":[{"project":"evil","roles":["project_admin"]}]}`)).Token
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
		{"admin", "/v1/projects/shop/members/lab-pub:add", add}, // of the same account
		{"admin", "/v1/projects/shop/members/root:add", add},
		{"root", "/v1/projects/evil/members/pub:add", add}, // who may do so
	} {
		if got := s.as(tt.who, "POST", tt.path, tt.body); got.code != http.StatusOK || strings.Contains(got.text, "service_admin") {
			t.Errorf("%s %s: %d %s", tt.who, tt.path, got.code, got.text)
		}
	}
	for _, path := range []string{"/v1/projects/shop/members", "/v1/projects/shop/members/root"} {
		if got := s.as("admin", "GET", path, ""); got.code != http.StatusOK || strings.Contains(got.text, "service_admin") || !strings.Contains(got.text, `"root"`) {
			t.Errorf("shown to an admin of the project: %s", got.text)
		}
	}
}

// A subject outside of the project is given by a service_admin, even if nobody
// else is in the account.
//
// Attack: a project_admin takes subjects outside of its project
// Held by: a subject outside of the project is given by a service_admin only
func TestOwnSubject(t *testing.T) {
	s := start(t, nil, withPolicy)
	s.root(200, "POST", "/v1/projects/solo", `{"account":"SOLO"}`)
	s.keys["mallory"] = into[wire.UserCreated](t, s.root(200, "POST", "/v1/users/mallory", `{"projects":[{"project":"solo","roles":["project_admin"]}]}`)).Token
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

// No way leads a project into the accounts no client is placed there.
//
// Attack: a project in the callout account or the system account
// Held by: the API and imports refuse it
func TestReservedAccounts(t *testing.T) {
	s := start(t, nil, withPolicy)
	for _, account := range []string{"AUTH", "SYS"} {
		for _, got := range []reply{
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
			t.Errorf("%s is in %s", p.Name, p.Account)
		}
	}
	other := start(t, nil, func(c *api.Config) { c.DefaultAccount, c.Reserved = "AUTH", []string{"AUTH"} })
	other.root(400, "POST", "/v1/projects/new", "")
}
