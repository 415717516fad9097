package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"usher/api"
	"usher/callout/callouttest"
	"usher/directory"
)

// sameJSON compares JSON with literal JSON. "$x" matches every string that is not empty; the
// function returns what it matched.
func sameJSON(t *testing.T, what, got, want string) map[string]string {
	t.Helper()
	found := map[string]string{}
	var g, w any
	if got == "" || want == "" {
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		return found
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %q: %v", what, got, err)
	}
	callouttest.Must(t, json.Unmarshal([]byte(want), &w))
	if !matchJSON(g, w, found) {
		t.Errorf("%s\ngot  %s\nwant %s", what, got, want)
	}
	return found
}

func matchJSON(got, want any, found map[string]string) bool {
	switch w := want.(type) {
	case string:
		text, ok := got.(string)
		if strings.HasPrefix(w, "$") && ok && text != "" {
			found[w] = text
			return true
		}
		return ok && text == w
	case map[string]any:
		g, ok := got.(map[string]any)
		for k := range w {
			if !matchJSON(g[k], w[k], found) {
				return false
			}
		}
		return ok && len(g) == len(w)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !matchJSON(g[i], w[i], found) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(got, want)
	}
}

// The responses have the shapes of AMS, with the additions.
func TestShapes(t *testing.T) {
	s := start(t, nil, nil)
	const noPush = `{"type":"","pushEndpoint":"","maxMessages":0,"authorizationHeader":{},"retryPolicy":{},"verificationHash":"","verified":false,
		"mattermostUrl":"","mattermostUsername":"","mattermostChannel":"","base64Decode":false}`
	const orders = `{"name":"/projects/shop/topics/orders","subject":"shop.orders","created_on":"2026-03-01T12:00:00Z"}`
	const returns = `{"name":"/projects/shop/topics/returns","subject":"shop.returns","created_on":"2026-03-01T12:01:00Z"}`
	const billing = `{"name":"/projects/shop/subscriptions/billing","topic":"/projects/shop/topics/orders","pushConfig":` + noPush + `,"ackDeadlineSeconds":10,"createdOn":"2026-03-01T12:00:00Z"}`
	const pub = `{"uuid":"$pub","name":"pub","projects":[{"project":"shop","roles":["publisher"],"topics":["orders"],"subscriptions":[]}],
		"email":"","service_roles":[],"enabled":true,"created_on":"2026-03-01T12:00:00Z"}`
	for _, tt := range []struct{ who, method, path, body, want string }{
		{"", "GET", "/v1/status", "", `{"status":"ok","push_functionality":"disabled","push_servers":[]}`},
		{"", "GET", "/v1/version", "", `{"release":"v0","golang":"$v","compiler":"$c","os":"$o","architecture":"$a"}`},
		{"admin", "GET", "/v1/projects/shop", "", `{"name":"shop","account":"APP","created_on":"2026-03-01T12:00:00Z","description":""}`},
		{"root", "GET", "/v1/projects?pageSize=1", "", `{"projects":[{"name":"lab","account":"APP","created_on":"2026-03-01T12:00:00Z","description":""}],"nextPageToken":"$next","totalSize":2}`},
		{"admin", "GET", "/v1/projects/shop/topics", "", `{"topics":[` + returns + `,` + orders + `],"nextPageToken":"","totalSize":2}`},
		{"pub", "GET", "/v1/projects/shop/topics", "", `{"topics":[` + orders + `],"nextPageToken":"","totalSize":1}`},
		{"pub", "GET", "/v1/projects/shop/topics/orders", "", orders},
		{"admin", "GET", "/v1/projects/shop/topics/orders:acl", "", `{"authorized_users":["pub"]}`},
		{"admin", "GET", "/v1/projects/shop/topics/returns:acl", "", `{"authorized_users":[]}`},
		{"admin", "GET", "/v1/projects/shop/topics/orders/subscriptions", "", `{"subscriptions":["/projects/shop/subscriptions/audit","/projects/shop/subscriptions/billing"]}`},
		{"con", "GET", "/v1/projects/shop/subscriptions", "", `{"subscriptions":[` + billing + `],"nextPageToken":"","totalSize":1}`},
		{"con", "GET", "/v1/projects/shop/subscriptions/billing", "", billing},
		{"admin", "GET", "/v1/projects/shop/subscriptions/billing:acl", "", `{"authorized_users":["con"]}`},
		{"root", "GET", "/v1/users/pub", "", pub},
		{"pub", "GET", "/v1/users/profile", "", pub},
		{"admin", "GET", "/v1/projects/shop/members/pub", "", pub},
		{"root", "GET", "/v1/users/pub:permissions?project=shop", "", `{"user":"pub","project":"shop"}`},
		{"root", "GET", "/v1/users/pub/keys", "", `{"keys":[{"name":"default","enabled":true,"created_on":"2026-03-01T12:00:00Z"}],"nextPageToken":"","totalSize":1}`},
	} {
		got := s.as(tt.who, tt.method, tt.path, tt.body)
		if got.code != http.StatusOK {
			t.Errorf("%s: %d %s", tt.path, got.code, got.text)
			continue
		}
		sameJSON(t, tt.path, got.text, tt.want)
	}
	page, err := os.ReadFile("../docs/reference/api.md")
	callouttest.Must(t, err)
	if example := s.as("pub", "GET", "/v1/projects/shop/topics/orders", "").text; !strings.Contains(string(page), "\n"+example) {
		t.Errorf("docs/reference/api.md does not show %s", example)
	}
	id := directory.IDOf(directory.KindUser, "pub").String()
	sameJSON(t, "by uuid", s.root(200, "GET", "/v1/users:byUUID/"+id, "").text, pub)
	s.noSecrets()
}

// The errors have the text of AMS.
func TestErrors(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.MaxBody = 1000 })
	for _, tt := range []struct {
		who, method, path, body string
		code                    int
		status, message         string
	}{
		{"root", "GET", "/v1/projects/sh.op", "", 400, "INVALID_ARGUMENT", "Invalid project name"},
		{"root", "GET", "/v1/projects/shop/topics/a%2Fb", "", 400, "INVALID_ARGUMENT", "Invalid topic name"},
		{"root", "GET", "/v1/projects/shop/subscriptions/billing:nope", "", 400, "INVALID_ARGUMENT", "Invalid subscription name"},
		{"", "GET", "/v1/users/a.b", "", 400, "INVALID_ARGUMENT", "Invalid user name"},
		{"", "GET", "/v1/users", "", 401, "UNAUTHORIZED", "Unauthorized"},
		{"", "GET", "/v1/projects/none", "", 401, "UNAUTHORIZED", "Unauthorized"},
		{"wrong", "GET", "/v1/projects/none", "", 401, "UNAUTHORIZED", "Unauthorized"},
		{"nobody", "GET", "/v1/projects/none", "", 404, "NOT_FOUND", "project doesn't exist"},
		{"nobody", "GET", "/v1/projects/shop", "", 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"pub", "GET", "/v1/projects/shop/topics/returns", "", 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"con", "GET", "/v1/projects/shop/subscriptions/audit", "", 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"pub", "GET", "/v1/projects/shop/topics/none", "", 404, "NOT_FOUND", "Topic doesn't exist"},
		{"root", "GET", "/v1/users/none", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"root", "GET", "/v1/users/none:permissions", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"root", "POST", "/v1/users/none:refreshToken", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"root", "GET", "/v1/users:byUUID/none", "", 400, "INVALID_ARGUMENT", "Invalid uuid name"},
		{"root", "GET", "/v1/users:byUUID/11111111-2222-3333-4444-555555555555", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"root", "GET", "/v1/users?project=none", "", 404, "NOT_FOUND", "project doesn't exist"},
		{"admin", "GET", "/v1/projects/shop/members/lab-pub", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"admin", "GET", "/v1/projects/shop/topics?pageSize=-1", "", 400, "INVALID_ARGUMENT", "Invalid page size"},
		{"admin", "GET", "/v1/projects/shop/topics?pageSize=x", "", 400, "INVALID_ARGUMENT", "Invalid page size"},
		{"admin", "GET", "/v1/projects/shop/topics?pageToken=x", "", 400, "INVALID_ARGUMENT", "Invalid page token"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{}`, 400, "INVALID_ARGUMENT", "Invalid Topic ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":null}`, 400, "INVALID_ARGUMENT", "Invalid Topic ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":"pub"}`, 400, "INVALID_ARGUMENT", "Invalid Topic ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[]} {}`, 400, "INVALID_ARGUMENT", "Invalid Topic ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["pub"],"Authorized_Users":["con"]}`, 400, "INVALID_ARGUMENT", "Invalid Topic ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["a","pub","b"]}`, 404, "NOT_FOUND", "User(s): a, b do not exist"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["lab-pub"]}`, 404, "NOT_FOUND", "User(s): lab-pub do not exist"},
		{"admin", "POST", "/v1/projects/shop/topics/none:modifyAcl", `{"authorized_users":[]}`, 404, "NOT_FOUND", "Topic doesn't exist"},
		{"admin", "POST", "/v1/projects/shop/subscriptions/billing:modifyAcl", "", 400, "INVALID_ARGUMENT", "Invalid Subscription ACL Arguments"},
		{"admin", "POST", "/v1/projects/shop/members/pub:add", `{"project":"shop","roles":["consumer"]}`, 409, "CONFLICT", "User is already a member of the project"},
		{"admin", "POST", "/v1/projects/shop/members/nobody:add", `{"project":"shop","roles":["service_admin"]}`, 400, "INVALID_ARGUMENT", "invalid role: service_admin"},
		{"admin", "POST", "/v1/projects/shop/members/nobody:add", `{"project":"lab","roles":["consumer"]}`, 400, "INVALID_ARGUMENT", "invalid project: lab"},
		{"admin", "POST", "/v1/projects/shop/members/nobody:add", `{"roles":[]}`, 400, "INVALID_ARGUMENT", "a member needs a role"},
		{"admin", "POST", "/v1/projects/shop/members/nobody:add", `nonsense`, 400, "BAD_REQUEST", "Invalid Request Body"},
		{"admin", "POST", "/v1/projects/shop/members/lab-pub:remove", "", 404, "NOT_FOUND", "User doesn't exist"},
		{"admin", "POST", "/v1/projects/shop/members/new", `{"projects":[{"project":"shop","roles":["consumer"]}],"service_roles":["ingest"]}`, 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"admin", "POST", "/v1/projects/shop/members/new", `{"projects":[{"project":"lab","roles":["consumer"]}]}`, 400, "INVALID_ARGUMENT", "invalid project: lab"},
		{"admin", "PUT", "/v1/projects/shop", `{"account":"OTHER"}`, 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"admin", "PUT", "/v1/projects/shop", `{"name":"store"}`, 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"admin", "PUT", "/v1/projects/shop", `{"description":"` + strings.Repeat("usher_", 10) + `"}`, 400, "INVALID_ARGUMENT", "Invalid Project Arguments"},
		{"root", "POST", "/v1/users/new", `{"service_roles":["project_admin"]}`, 400, "INVALID_ARGUMENT", "invalid role: project_admin"},
		{"root", "POST", "/v1/users/new", `{"projects":[{"project":"none","roles":["consumer"]}]}`, 400, "INVALID_ARGUMENT", "invalid project: none"},
		{"root", "POST", "/v1/users/pub", `{}`, 409, "ALREADY_EXISTS", "User already exists"},
		{"root", "POST", "/v1/users/profile", `{}`, 400, "INVALID_ARGUMENT", "Invalid user name"},
		{"root", "POST", "/v1/users/_INBOX", `{}`, 400, "INVALID_ARGUMENT", "Invalid user name"},
		{"root", "POST", "/v1/users/new", `[]`, 400, "INVALID_ARGUMENT", "Invalid User Arguments"},
		{"root", "POST", "/v1/users/new", `{"email":7}`, 400, "INVALID_ARGUMENT", "Invalid User Arguments"},
		{"root", "POST", "/v1/users/new", `{"email":"` + strings.Repeat("x", 1000) + `"}`, 413, "INVALID_ARGUMENT", "Request body is too large"},
		{"root", "POST", "/v1/projects/shop", ``, 409, "ALREADY_EXISTS", "project already exists"},
		{"root", "POST", "/v1/projects/habitat", ``, 400, "INVALID_ARGUMENT", `"habitat" is reserved: every ingest client publishes under habitat.event`},
		{"admin", "PUT", "/v1/projects/shop/topics/orders", ``, 409, "ALREADY_EXISTS", "Topic already exists"},
		{"admin", "PUT", "/v1/projects/shop/topics/new", `{"subject":"lab.new"}`, 403, "FORBIDDEN", "Access to this resource is forbidden"},
		{"admin", "POST", "/v1/projects/shop/members/root:add", `{"roles":["consumer"]}`, 404, "NOT_FOUND", "User doesn't exist"},
		{"root", "PUT", "/v1/projects/shop/topics/new", `{"subject":"lab.new"}`, 400, "INVALID_ARGUMENT", `subject "lab.new" lies in project "lab" of the same account`},
		{"admin", "DELETE", "/v1/projects/shop/topics/orders", ``, 409, "CONFLICT", "Topic is read by subscription(s): audit, billing"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/none"}`, 404, "NOT_FOUND", "Topic doesn't exist"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/lab/topics/orders"}`, 404, "NOT_FOUND", "Topic doesn't exist"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"orders"}`, 400, "INVALID_ARGUMENT", "Invalid Topic name"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/billing", `{"topic":"projects/shop/topics/orders"}`, 409, "ALREADY_EXISTS", "Subscription already exists"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/orders","pushConfig":{"pushEndpoint":"http://x.example"}}`, 400, "INVALID_ARGUMENT", "Push endpoint should be addressed by a valid https url"},
		{"admin", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/orders","ackDeadlineSeconds":601}`, 400, "INVALID_ARGUMENT", "Invalid ackDeadlineSeconds(needs value between 0 and 600) Arguments"},
		{"root", "POST", "/v1/users/pub/keys", `{"name":"default"}`, 409, "ALREADY_EXISTS", "Key already exists"},
		{"root", "POST", "/v1/users/pub/keys", `{"name":"new","expires_in":"x"}`, 400, "BAD_REQUEST", "Invalid Request Body"},
		{"root", "POST", "/v1/users/pub/keys", `{"name":"new","expires_on":"2026-01-01T00:00:00Z"}`, 400, "BAD_REQUEST", "Invalid Request Body"},
		{"root", "POST", "/v1/users/pub/keys", `{"name":"new","source_networks":["here"]}`, 400, "BAD_REQUEST", "Invalid Request Body"},
		{"root", "GET", "/v1/users/pub/keys/none", "", 404, "NOT_FOUND", "Key doesn't exist"},
		{"root", "POST", "/v1/users/pub:refreshToken", `{"key":"none"}`, 404, "NOT_FOUND", "Key doesn't exist"},
		{"root", "POST", "/v1/users/pub:refreshToken", `{"grace":"soon"}`, 400, "INVALID_ARGUMENT", "Invalid grace Arguments"},
		{"root", "GET", "/v1/nowhere", "", 404, "NOT_FOUND", "path doesn't exist"},
		{"root", "PATCH", "/v1/users/pub", "", 405, "METHOD_NOT_ALLOWED", "Method not allowed"},
	} {
		before := s.store.Snapshot()
		got := s.as(tt.who, tt.method, tt.path, tt.body)
		e := got.error(t)
		if got.code != tt.code || e.Status != tt.status || e.Message != tt.message || e.RequestID == "" || e.RequestID != got.Get("X-Request-Id") {
			t.Errorf("%s %s %s\ngot  %s\nwant %d %s %s", tt.method, tt.path, tt.body, got.text, tt.code, tt.status, tt.message)
		}
		if s.store.Snapshot() != before {
			t.Errorf("%s %s changed the directory", tt.method, tt.path)
		}
	}
	got := s.as("root", "PATCH", "/v1/users/pub", "")
	if got.Get("Allow") != "DELETE, GET, POST, PUT" {
		t.Errorf("Allow: %q", got.Get("Allow"))
	}
	s.noSecrets()
}

// The details add what the messages of AMS omit: which resource is missing, and what is
// expected. They do not repeat the message.
func TestDetails(t *testing.T) {
	s := start(t, nil, nil)
	for _, tt := range []struct{ who, method, path, body, want string }{
		{"root", "GET", "/v1/projects/none/topics/x", "", "project doesn't exist; there is no project none"},
		{"root", "GET", "/v1/projects/shop/topics/none", "", "Topic doesn't exist; project shop has no topic none"},
		{"root", "POST", "/v1/projects/shop/topics/none:modifyAcl", `{"authorized_users":[]}`, "Topic doesn't exist; project shop has no topic none"},
		{"root", "DELETE", "/v1/projects/shop/subscriptions/none", "", "Subscription doesn't exist; project shop has no subscription none"},
		{"admin", "POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["lab-pub"]}`, "User(s): lab-pub do not exist; an ACL names only members of its project, shop"},
		{"root", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/none"}`, "Topic doesn't exist; project shop has no topic none"},
		{"root", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/lab/topics/orders"}`, "Topic doesn't exist; a subscription reads a topic of its own project"},
		{"root", "GET", "/v1/users/none", "", "User doesn't exist; there is no user none"},
		{"root", "GET", "/v1/users/" + strings.Repeat("n", 41), "", "User doesn't exist; there is no user " + strings.Repeat("n", 41)},
		{"root", "GET", "/v1/users:byUUID/11111111-2222-3333-4444-555555555555", "", "User doesn't exist; no user has this id"},
		{"root", "GET", "/v1/users?project=none", "", "project doesn't exist; there is no project none"},
		{"root", "GET", "/v1/users/pub:permissions?project=none", "", "project doesn't exist; there is no project none"},
		{"root", "GET", "/v1/users/pub/keys/none", "", "Key doesn't exist; user pub has no key none"},
		{"root", "POST", "/v1/users/pub:refreshToken", `{"key":"none"}`, "Key doesn't exist; user pub has no key none"},
		{"admin", "GET", "/v1/projects/shop/members/lab-pub", "", "User doesn't exist; project shop has no member lab-pub"},
		{"root", "POST", "/v1/projects/shop/members/none:add", `{"roles":["consumer"]}`, "User doesn't exist; there is no user none"},
		{"root", "POST", "/v1/projects/shop/members/nobody:add", `{"roles":["foo"]}`, "invalid role: foo; one of project_admin, publisher, consumer"},
		{"root", "POST", "/v1/users/new", `{"service_roles":["foo"]}`, "invalid role: foo; one of service_admin, ingest, push_worker, admin_viewer"},
		{"root", "POST", "/v1/users/new", `{"connection_types":["foo"]}`, "there is no connection type foo; one of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS"},
		// A reference that is not one says what it should look like.
		{"root", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"new"}`, "Invalid Topic name; expected projects/PROJECT/topics/TOPIC"},
		{"root", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":""}`, "Invalid Topic name; expected projects/PROJECT/topics/TOPIC"},
		{"root", "GET", "/v1/projects/sh.op", "", "Invalid project name; expected letters, digits, '-' and '_'"},
		{"root", "GET", "/v1/projects/shop/topics/a.b", "", "Invalid topic name; expected letters, digits, '-' and '_'"},
		{"root", "GET", "/v1/users:byUUID/none", "", "Invalid uuid name; expected a UUID, such as 5b3f8f6e-6a0c-4a52-9d0b-6d6f3c1c2a10"},
		{"root", "GET", "/v1/users:byUUID/a.b", "", "Invalid uuid name; expected a UUID, such as 5b3f8f6e-6a0c-4a52-9d0b-6d6f3c1c2a10"},
		{"root", "POST", "/v1/projects/shop/members/nobody:add", `{"project":"lab","roles":["consumer"]}`, "invalid project: lab; expected shop, the project in the path"},
		{"root", "POST", "/v1/users/new", `{"projects":[{"project":"none","roles":["consumer"]}]}`, "invalid project: none; there is no such project"},
		{"root", "PUT", "/v1/projects/shop/members/pub", `{"projects":[]}`, "Invalid User Arguments; projects: expected one, the project in the path"},
		{"root", "GET", "/v1/users?pageSize=-1", "", "Invalid page size; expected a number, or 0 for the whole list"},
		{"root", "GET", "/v1/users?pageToken=x", "", "Invalid page token; expected nextPageToken of the previous page of the same list"},
		{"root", "DELETE", "/v1/projects/shop?purge=yes", "", "Invalid purge; expected true or false"},
		{"root", "POST", "/v1/directory:import?mode=x", "users: []", "Invalid mode; expected merge or replace"},
		{"root", "PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"projects/shop/topics/orders","pushConfig":{"type":"x"}}`, "Invalid Push Configuration Arguments; type: expected http_endpoint or mattermost"},
		{"root", "POST", "/v1/projects/new", `{"account":"a b"}`, `account "a b" holds ' ', which an account name must not`},
		{"root", "POST", "/v1/projects/habitat", "", `"habitat" is reserved: every ingest client publishes under habitat.event`},
	} {
		got := s.as(tt.who, tt.method, tt.path, tt.body)
		e := got.error(t)
		if text := strings.Join(append([]string{e.Message}, e.Errors...), "; "); text != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.method, tt.path, text, tt.want)
		}
	}
}
