package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"usher/api/rest"

	"usher/api"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// begun sends the head and the beginning of a request, waits until the service reads
// the rest, and returns what sends that and yields the answer.
func (s *service) begun(who, path, body string, first int) func() reply {
	s.t.Helper()
	addr := strings.TrimPrefix(s.http.URL, "http://")
	var d net.Dialer
	nc, err := d.DialContext(s.t.Context(), "tcp", addr)
	callouttest.Must(s.t, err)
	s.t.Cleanup(func() { _ = nc.Close() })
	_, err = fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
		path, addr, rest.HeaderKey, s.keys[who], len(body))
	callouttest.Must(s.t, err)
	// The server says 100 when the handler begins to read: who asks is known then.
	head := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(nc, head)
	callouttest.Must(s.t, err)
	if !strings.HasPrefix(string(head), "HTTP/1.1 100") {
		s.t.Fatalf("%s: got %s", path, head)
	}
	_, err = io.WriteString(nc, body[:first])
	callouttest.Must(s.t, err)
	return func() reply {
		_, err := io.WriteString(nc, body[first:])
		callouttest.Must(s.t, err)
		text, err := io.ReadAll(nc)
		callouttest.Must(s.t, err)
		var r reply
		_, err = fmt.Sscanf(string(text), "HTTP/1.1 %d", &r.code)
		callouttest.Must(s.t, err)
		r.text = string(text)
		return r
	}
}

// Attack: a service_admin begins an import that holds itself, is removed, sends the rest, and is service_admin again
// Held by: each part of a change is checked against the rights that its author has at the moment of the commit, and nobody is exempt
func TestRemovedWhileImporting(t *testing.T) {
	s := start(t, nil, nil)
	s.root(200, "POST", "/v1/users/root2", `{"service_roles":["service_admin"]}`)
	made := into[struct{ Token string }](t, s.root(200, "POST", "/v1/users/root2/keys", `{"name":"more"}`))
	s.keys["root2"] = made.Token
	body := fmt.Sprintf("users:\n- name: root2\n  service_roles: [service_admin]\n  keys: [{id: more, digest: %q}]\n- name: root3\n  service_roles: [service_admin]\n", directory.DigestOf(made.Token))
	rest := s.begun("root2", "/v1/directory:import", body, 20)
	s.root(200, "PUT", "/v1/users/root2", `{"service_roles":[],"enabled":false}`)
	s.root(200, "DELETE", "/v1/users/root2/keys/more", "")
	s.root(200, "DELETE", "/v1/users/root2", "")
	if got := rest(); got.code != http.StatusUnauthorized {
		t.Errorf("got %s", got.text)
	}
	for _, name := range []string{"root2", "root3"} {
		if _, ok := s.store.Snapshot().User(name); ok {
			t.Errorf("%s is there", name)
		}
	}
}

// Who imports what takes its own role away has all of it imported: that comes last.
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
		t.Error("root is as it was")
	}
}

// Attack: an administrator whose role, key or user is taken away goes on with changes that were under way
// Held by: every changing route looks its author up in the snapshot that the change is made on, at each attempt
func TestRightsAtTheCommit(t *testing.T) {
	bodies := map[string]string{
		"project.create": `{"account":"APP"}`, "project.update": `{"description":"x"}`,
		"member.create": `{"projects":[{"project":"shop","roles":["publisher"]}]}`, "member.update": `{"projects":[{"project":"shop","roles":["consumer"]}]}`,
		"member.add": `{"roles":["publisher"]}`, "topic.modify_acl": `{"authorized_users":[]}`, "subscription.modify_acl": `{"authorized_users":[]}`,
		"user.update": `{"first_name":"x"}`, "key.create": `{"name":"more"}`, "directory.import": "users: [{name: late}]",
		"subscription.create": `{"topic":"/projects/shop/topics/orders"}`, "user.create": `{}`,
	}
	// What is not there yet for routes that make something, and what is for the others.
	makes := func(rt *rest.Route) bool {
		return rt.Method == http.MethodPost && strings.HasSuffix(rt.Path, "}") || rt.Method == http.MethodPut && !strings.Contains(rt.Name, "update")
	}
	for _, rt := range api.Routes() {
		if !rt.Changes() {
			continue
		}
		t.Run(rt.Name, func(t *testing.T) {
			t.Parallel()
			between := &meddler{Store: callouttest.KVStore(t)}
			s := start(t, between, nil)
			there := strings.NewReplacer("{project}", "shop", "{user}", "pub", "{topic}", "returns", "{subscription}", "audit", "{key}", "default")
			if makes(&rt) {
				there = strings.NewReplacer("{project}", pick(rt.Name == "project.create", "new", "shop"), "{user}", "new", "{topic}", "new", "{subscription}", "new")
			}
			if rt.Name == "member.add" {
				there = strings.NewReplacer("{project}", "shop", "{user}", "lab-pub")
			}
			path, body := there.Replace(rt.Path), bodies[rt.Name]
			between.first = func(*snapshot.Snapshot) []directory.Entry {
				return directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"})
			}
			got := s.as("root", rt.Method, path, body)
			if between.first != nil {
				t.Fatalf("it does not come to a change: %d %s", got.code, got.text)
			}
			if !strings.Contains(got.text, "FORBIDDEN") {
				t.Errorf("who is service_admin no longer gets %d %s", got.code, got.text)
			}
		})
	}
}

// Attack: a service_admin that also administers the project loses that role while a request of it is under way, and goes on as one
// Held by: every condition on the author, and whose share its change takes, is looked at in the snapshot that the change is made on
func TestFallsBackToProjectAdmin(t *testing.T) {
	const members = "/v1/projects/shop/members/"
	forbidden := map[string][3]string{ // what a project_admin may not ask for, by route
		"project.update":   {"PUT", "/v1/projects/shop", `{"account":"OTHER"}`},
		"project.update, ": {"PUT", "/v1/projects/shop", `{"name":"store"}`},
		"topic.create":     {"PUT", "/v1/projects/shop/topics/new", `{"subject":"lab.orders"}`},
		"member.create":    {"POST", members + "new", `{"connection_types":["LEAFNODE"],"projects":[{"roles":["publisher"]}]}`},
		"member.create, ":  {"POST", members + "new", `{"service_roles":["service_admin"],"projects":[{"roles":["publisher"]}]}`},
	}
	makes := map[string][3]string{ // what it may as long as the project has room, which it has not
		"project.update":      {"PUT", "/v1/projects/shop", `{"description":"x"}`},
		"member.create":       {"POST", members + "new", `{"projects":[{"roles":["publisher"]}]}`},
		"member.update":       {"PUT", members + "pub", `{"projects":[{"roles":["publisher","consumer"]}]}`},
		"member.add":          {"POST", members + "lab-pub:add", `{"roles":["publisher"]}`},
		"topic.create":        {"PUT", "/v1/projects/shop/topics/new", ""},
		"subscription.create": {"PUT", "/v1/projects/shop/subscriptions/new", `{"topic":"/projects/shop/topics/orders"}`},
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
		if makes[rt.Name][0] == "" && removes[rt.Name][0] == "" && rt.Changes() && len(rt.Access.Project) > 0 {
			t.Errorf("%s is not tried", rt.Name)
		}
	}
	for _, part := range []struct {
		requests map[string][3]string
		want     int
	}{{forbidden, http.StatusForbidden}, {makes, http.StatusTooManyRequests}, {removes, http.StatusOK}} {
		for name, r := range part.requests {
			t.Run(fmt.Sprint(name, " ", part.want), func(t *testing.T) {
				t.Parallel()
				between := &meddler{Store: callouttest.KVStoreWith(t, kv.Config{MaxProjectBytes: 1})}
				s := start(t, between, withPolicy)
				shop := directory.IDOf(directory.KindProject, "shop")
				between.first = func(*snapshot.Snapshot) []directory.Entry {
					return append(directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"}),
						directory.Put(directory.MemberKey(shop, idsOf("root")[0]), &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}})...)
				}
				got := s.as("root", r[0], r[1], r[2])
				if between.first != nil || got.code != part.want {
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
