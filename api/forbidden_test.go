package api_test

import (
	"net/http"
	"strings"
	"testing"

	"usher/api"
	"usher/internal/audit"
)

// The request id of a refused message request leads to its cause, in the log and in the audit.
// The answer itself names none.
func TestForbiddenMessagesAreAudited(t *testing.T) {
	s, _ := startMessages(t, nil)
	emptyACL(t, s, "topics", "orders")
	emptyACL(t, s, "subscriptions", "billing")
	const messages = `{"messages":[{"data":"eA=="}]}`
	for _, tt := range []struct{ who, path, body, cause string }{
		{"con", "topics/orders:publish", messages, "user con has none of the service roles service_admin, and in project shop none of the roles project_admin, publisher"},
		{"pub", "topics/orders:publish", messages, "user pub is not in the ACL of /projects/shop/topics/orders"},
		{"con", "subscriptions/billing:pull", "", "user con is not in the ACL of /projects/shop/subscriptions/billing"},
		{"con", "subscriptions/billing:acknowledge", `{"ackIds":["x"]}`, "user con is not in the ACL of /projects/shop/subscriptions/billing"},
	} {
		got := s.as(tt.who, "POST", "/v1/projects/shop/"+tt.path, tt.body)
		id := got.Get("X-Request-Id")
		if got.code != http.StatusForbidden || !strings.Contains(got.text, `"message":"Access to this resource is forbidden"`) || strings.Contains(got.text, "ACL") || strings.Contains(got.text, "role") {
			t.Errorf("%s %s: %d %s", tt.who, tt.path, got.code, got.text)
		}
		c := s.lastChange()
		if c.RequestID != id || c.Outcome != audit.Refused || c.Code != "forbidden" || c.Actor != tt.who || !strings.HasSuffix(c.Cause, tt.cause) {
			t.Errorf("%s %s: audit has %+v", tt.who, tt.path, c)
		}
		if line := s.logLine(id); !strings.Contains(line, `"level":"INFO"`) || !strings.Contains(line, tt.cause) {
			t.Errorf("%s %s: log has %s", tt.who, tt.path, line)
		}
	}
	got := s.as("con", "GET", "/v1/projects/shop/subscriptions/billing:offsets", "")
	if line := s.logLine(got.Get("X-Request-Id")); got.code != http.StatusForbidden || !strings.Contains(line, "is not in the ACL") {
		t.Errorf("%d, log has %s", got.code, line)
	}
}

// emptyACL removes every user from an ACL.
func emptyACL(t *testing.T, s *service, kind, name string) {
	t.Helper()
	s.root(200, "POST", "/v1/projects/shop/"+kind+"/"+name+":modifyAcl", `{"authorized_users":[]}`)
}

func (s *service) logLine(id string) string {
	for line := range strings.Lines(s.logged()) {
		if strings.Contains(line, `"request_id":"`+id+`"`) {
			return line
		}
	}
	return ""
}

// Attack: a consumer that is in no ACL fills log and audit with refused pulls
// Held by: refusals by ACLs count as those by roles do
func TestManyForbiddenMessages(t *testing.T) {
	s, _ := startMessages(t, func(c *api.Config) { c.FailedKeys = 1 })
	emptyACL(t, s, "subscriptions", "billing")
	before, codes := len(s.changes()), map[int]int{}
	for range 50 {
		codes[s.as("con", "POST", "/v1/projects/shop/subscriptions/billing:pull", "").code]++
	}
	if n := len(s.changes()) - before; codes[403] != 4 || codes[429] != 46 || n != 4 {
		t.Errorf("%v, %d in the audit", codes, n)
	}
}

// A custom method that is called with another HTTP method is no name of a resource.
func TestVerbWithOtherMethod(t *testing.T) {
	s, _ := startMessages(t, nil)
	for _, tt := range []struct{ method, path, allow string }{
		{"GET", "topics/orders:publish", "POST"},
		{"PUT", "topics/orders:publish", "POST"},
		{"PATCH", "topics/orders:publish", "POST"},
		{"DELETE", "subscriptions/billing:pull", "POST"},
		{"POST", "subscriptions/billing:offsets", "GET"},
	} {
		if got := s.as("root", tt.method, "/v1/projects/shop/"+tt.path, ""); got.code != http.StatusMethodNotAllowed || got.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q", tt.method, tt.path, got.code, got.Get("Allow"))
		}
	}
	if got := s.as("root", "GET", "/v1/projects/shop/topics/orders:shout", ""); got.code != http.StatusBadRequest {
		t.Errorf("an unknown custom method: %d %s", got.code, got.text)
	}
}
