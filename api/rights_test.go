package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"usher/api"
	"usher/api/rest"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// beginRequest sends the head and the first bytes of a request, and waits until the service
// reads the body. It returns a function that sends the rest and returns the response.
func (s *service) beginRequest(who, path, body string, first int) func() response {
	s.t.Helper()
	addr := strings.TrimPrefix(s.http.URL, "http://")
	var d net.Dialer
	nc, err := d.DialContext(s.t.Context(), "tcp", addr)
	callouttest.Must(s.t, err)
	s.t.Cleanup(func() { _ = nc.Close() })
	_, err = fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
		path, addr, rest.HeaderKey, s.keys[who], len(body))
	callouttest.Must(s.t, err)
	// The server sends 100 when the handler begins to read. The caller is authenticated by then.
	head := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(nc, head)
	callouttest.Must(s.t, err)
	if !strings.HasPrefix(string(head), "HTTP/1.1 100") {
		s.t.Fatalf("%s: got %s", path, head)
	}
	_, err = io.WriteString(nc, body[:first])
	callouttest.Must(s.t, err)
	return func() response {
		_, err := io.WriteString(nc, body[first:])
		callouttest.Must(s.t, err)
		text, err := io.ReadAll(nc)
		callouttest.Must(s.t, err)
		var r response
		_, err = fmt.Sscanf(string(text), "HTTP/1.1 %d", &r.code)
		callouttest.Must(s.t, err)
		r.text = string(text)
		return r
	}
}

// Attack: a service_admin begins an import that contains itself, is removed, sends the rest, and is service_admin again
// Held by: each part of a change is checked against the author's rights when the part is committed, without exceptions
func TestRemovedWhileImporting(t *testing.T) {
	s := start(t, nil, nil)
	s.root(200, "POST", "/v1/users/root2", `{"service_roles":["service_admin"]}`)
	made := decode[struct{ Token string }](t, s.root(200, "POST", "/v1/users/root2/keys", `{"name":"more"}`))
	s.keys["root2"] = made.Token
	body := fmt.Sprintf("users:\n- name: root2\n  service_roles: [service_admin]\n  keys: [{id: more, digest: %q}]\n- name: root3\n  service_roles: [service_admin]\n", directory.DigestOf(made.Token))
	rest := s.beginRequest("root2", "/v1/directory:import", body, 20)
	s.root(200, "PUT", "/v1/users/root2", `{"service_roles":[],"enabled":false}`)
	s.root(200, "DELETE", "/v1/users/root2/keys/more", "")
	s.root(200, "DELETE", "/v1/users/root2", "")
	if got := rest(); got.code != http.StatusUnauthorized {
		t.Errorf("got %s", got.text)
	}
	for _, name := range []string{"root2", "root3"} {
		if _, ok := s.store.Snapshot().User(name); ok {
			t.Errorf("user %s exists", name)
		}
	}
}

// An import that removes its author's role is complete: that change comes last.
func TestImportThatDemotesItself(t *testing.T) {
	s := start(t, nil, nil)
	var text strings.Builder
	fmt.Fprintf(&text, "users:\n- {name: root, enabled: false}\n- {name: boss, service_roles: [service_admin], keys: [{digest: %q}]}\n", directory.DigestOf("boss-key"))
	for i := range directory.MaxChange + 500 {
		fmt.Fprintf(&text, "- name: user-%d\n", i)
	}
	got := s.root(200, "POST", "/v1/directory:import", text.String())
	if strings.Contains(got.text, `"error"`) || !strings.Contains(got.text, `"result"`) {
		t.Errorf("got %s", got.text)
	}
	if u, _ := s.store.Snapshot().User("root"); !u.Disabled {
		t.Error("root was not changed")
	}
}

// Attack: an administrator loses its role, its key or its user while its requests are processed; they succeed nevertheless
// Held by: every changing route looks its author up in the snapshot that the change is made on, at each attempt
func TestRightsAtCommit(t *testing.T) {
	bodies := map[string]string{
		"project.create": `{"account":"APP"}`, "project.update": `{"description":"x"}`,
		"member.create": `{"projects":[{"project":"shop","roles":["publisher"]}]}`, "member.update": `{"projects":[{"project":"shop","roles":["consumer"]}]}`,
		"member.add": `{"roles":["publisher"]}`, "topic.modify_acl": `{"authorized_users":[]}`, "subscription.modify_acl": `{"authorized_users":[]}`,
		"user.update": `{"first_name":"x"}`, "key.create": `{"name":"more"}`, "directory.import": "users: [{name: late}]",
		"subscription.modify_ack_deadline": `{"ackDeadlineSeconds":20}`,
		"subscription.create":              `{"topic":"/projects/shop/topics/orders"}`, "user.create": `{}`,
		"nkey.create": `{"name":"more","nkey":"` + publicNKey(t) + `"}`, "nkey.update": `{"enabled":false}`, "password.set": `{"password":"secret"}`,
		"certificate.create": `{"name":"more","subject":"CN=a"}`, "certificate.update": `{"enabled":false}`,
		"binding.create": `{"name":"more","subject":"CN=a","service_type":"ams","host":"a"}`, "binding.update": `{"enabled":false}`,
		"subscription.modify_push_config": `{"pushConfig":{"pushEndpoint":"https://h.example"}}`,
		"ban.create":                      `{"user":"pub","reason":"x","for":"1h"}`,
	}
	creates := func(rt *rest.Route) bool {
		return rt.Method == http.MethodPost && strings.HasSuffix(rt.Path, "}") || rt.Method == http.MethodPut && !strings.Contains(rt.Name, "update")
	}
	for _, rt := range api.Routes() {
		if rt.Name == verifyRoute { // which needs an endpoint: TestPushConfig
			continue
		}
		if !rt.Changes() || rt.KeepsDirectory { // of those, TestRightsWhileKicking
			continue
		}
		t.Run(rt.Name, func(t *testing.T) {
			t.Parallel()
			store := &racingStore{Store: callouttest.KVStore(t)}
			s := start(t, store, nil)
			names := strings.NewReplacer("{project}", "shop", "{user}", "pub", "{topic}", "returns", "{subscription}", "audit", "{key}", "default", "{ban}", "none")
			if creates(&rt) {
				names = strings.NewReplacer("{project}", pick(rt.Name == "project.create", "new", "shop"), "{user}", "new", "{topic}", "new", "{subscription}", "new")
			}
			if rt.Name == "member.add" {
				names = strings.NewReplacer("{project}", "shop", "{user}", "lab-pub")
			}
			path, body := names.Replace(rt.Path), bodies[rt.Name]
			store.before = func(*snapshot.Snapshot) []directory.Entry {
				return directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"})
			}
			got := s.as("root", rt.Method, path, body)
			if store.before != nil {
				t.Fatalf("the request made no change: %d %s", got.code, got.text)
			}
			if !strings.Contains(got.text, "FORBIDDEN") {
				t.Errorf("a demoted service_admin gets %d %s", got.code, got.text)
			}
		})
	}
}

// Attack: a service_admin that also administers a project loses service_admin while its request is processed; the request still counts as one of a service_admin
// Held by: each attempt of a change determines the author's roles, and whose share of the bucket it uses, in the snapshot that it is made on
func TestDemotedToProjectAdmin(t *testing.T) {
	const members = "/v1/projects/shop/members/"
	forbidden := map[string][3]string{ // requests that a project_admin may not make, by route
		"project.update":   {"PUT", "/v1/projects/shop", `{"account":"OTHER"}`},
		"project.update, ": {"PUT", "/v1/projects/shop", `{"name":"store"}`},
		"topic.create":     {"PUT", "/v1/projects/shop/topics/new", `{"subject":"lab.orders"}`},
		"member.create":    {"POST", members + "new", `{"connection_types":["LEAFNODE"],"projects":[{"roles":["publisher"]}]}`},
		"member.create, ":  {"POST", members + "new", `{"service_roles":["service_admin"],"projects":[{"roles":["publisher"]}]}`},
	}
	adds := map[string][3]string{ // permitted, but the project's share is used up
		"project.update":                   {"PUT", "/v1/projects/shop", `{"description":"x"}`},
		"member.create":                    {"POST", members + "new", `{"projects":[{"roles":["publisher"]}]}`},
		"member.update":                    {"PUT", members + "pub", `{"projects":[{"roles":["publisher","consumer"]}]}`},
		"member.add":                       {"POST", members + "lab-pub:add", `{"roles":["publisher"]}`},
		"topic.create":                     {"PUT", "/v1/projects/shop/topics/new", ""},
		"subscription.modify_ack_deadline": {"POST", "/v1/projects/shop/subscriptions/billing:modifyAckDeadline", `{"ackDeadlineSeconds":20}`},
		"subscription.create":              {"PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"/projects/shop/topics/orders"}`},
		"subscription.modify_push_config":  {"POST", "/v1/projects/shop/subscriptions/billing:modifyPushConfig", `{"pushConfig":{"pushEndpoint":"https://h.example"}}`},
	}
	removes := map[string][3]string{
		"project.delete":          {"DELETE", "/v1/projects/shop", ""},
		"member.remove":           {"POST", members + "pub:remove", ""},
		"topic.delete":            {"DELETE", "/v1/projects/shop/topics/returns", ""},
		"topic.modify_acl":        {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[]}`},
		"subscription.delete":     {"DELETE", "/v1/projects/shop/subscriptions/audit", ""},
		"subscription.modify_acl": {"POST", "/v1/projects/shop/subscriptions/billing:modifyAcl", `{"authorized_users":[]}`},
	}
	for _, rt := range api.Routes() {
		if rt.Name == verifyRoute || rt.Name == "subscription.rotate_push_header" { // which change an entry of the former
			continue
		}
		if adds[rt.Name][0] == "" && removes[rt.Name][0] == "" && rt.Changes() && !rt.KeepsDirectory && len(rt.Access.Project) > 0 {
			t.Errorf("%s is not tested", rt.Name)
		}
	}
	for _, part := range []struct {
		requests map[string][3]string
		want     int
	}{{forbidden, http.StatusForbidden}, {adds, http.StatusTooManyRequests}, {removes, http.StatusOK}} {
		for name, r := range part.requests {
			t.Run(fmt.Sprint(name, " ", part.want), func(t *testing.T) {
				t.Parallel()
				store := &racingStore{Store: callouttest.KVStoreWith(t, kv.Config{MaxProjectBytes: 1})}
				s := start(t, store, withPolicy)
				shop := directory.IDOf(directory.KindProject, "shop")
				store.before = func(*snapshot.Snapshot) []directory.Entry {
					return append(directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"}),
						directory.Put(directory.MemberKey(shop, idsOf("root")[0]), &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}})...)
				}
				got := s.as("root", r[0], r[1], r[2])
				if store.before != nil || got.code != part.want {
					t.Errorf("%d %s", got.code, got.text)
				}
			})
		}
	}
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
