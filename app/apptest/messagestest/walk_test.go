package messagestest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/messages"
	"usher/api/push"
	"usher/api/rest"
	"usher/api/wire"
	"usher/app/apptest/messagestest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secretfile"
)

// caller is somebody who calls the API, with a role in project shop.
type caller struct {
	name    string
	key     string
	service []directory.ServiceRole
	roles   []directory.Role
	invalid bool // the key is not valid
	expired bool
	off     bool // the user is disabled
	token   bool // a service token instead of a user
	unknown bool // nobody has the key
}

// callers are one caller for each role, and for each way to have none. All with a role are in
// the ACLs of topic orders and of subscription billing as far as their roles can be.
func callers() []caller {
	all := []caller{
		{name: "publisher-consumer", roles: []directory.Role{directory.RolePublisher, directory.RoleConsumer}},
		{name: "admin-publisher", roles: []directory.Role{directory.RoleProjectAdmin, directory.RolePublisher}},
		{name: "nobody"},
		{name: "expired", invalid: true, expired: true, service: []directory.ServiceRole{directory.ServiceRoleAdmin}},
		{name: "off", invalid: true, off: true, service: []directory.ServiceRole{directory.ServiceRoleAdmin}},
		{name: "bad-key", invalid: true, unknown: true},
	}
	for _, role := range directory.Roles() {
		all = append(all, caller{name: string(role), roles: []directory.Role{role}})
	}
	for _, role := range directory.ServiceRoles() {
		all = append(all, caller{name: string(role), service: []directory.ServiceRole{role}})
	}
	for _, role := range []directory.ServiceRole{directory.ServiceRoleAdmin, directory.ServiceRolePushWorker, directory.ServiceRoleViewer} {
		all = append(all, caller{name: "token-" + string(role), service: []directory.ServiceRole{role}, token: true})
	}
	for i := range all {
		all[i].key = fmt.Sprintf("%064x", 0xfee1_0000+i)
	}
	return append(all, caller{name: "no-key", invalid: true, unknown: true})
}

// named reports whether an ACL can name the caller.
func (c *caller) named(role directory.Role) bool { return slices.Contains(c.roles, role) }

// walkRoute is a route, how it is called, and what it answers to whoever may call it.
type walkRoute struct {
	query, body string
	code        int // 0: 200
}

// walked are the routes of messages and pushes, and those with roles for them.
var walked = map[string]walkRoute{
	"project.metrics":                   {},
	"topic.publish":                     {body: `{"messages":[{"data":"aGk="}]}`},
	"topic.metrics":                     {},
	"subscription.show":                 {},
	"subscription.pull":                 {body: `{}`},
	"subscription.acknowledge":          {body: `{"ackIds":[]}`},
	"subscription.modify_ack_deadline":  {body: `{"ackDeadlineSeconds":30}`},
	"subscription.offsets":              {},
	"subscription.modify_offset":        {body: `{"offset":1}`},
	"subscription.time_to_offset":       {query: "?time=2026-03-01T12:00:00.000Z"},
	"subscription.metrics":              {},
	"subscription.modify_push_config":   {body: `{"pushConfig":{}}`},
	"subscription.verify_push_endpoint": {code: http.StatusConflict}, // it is not in push mode
	"subscription.rotate_push_header":   {code: http.StatusConflict},
	"push.workers":                      {},
}

// answer returns the status that the table of routes gives a caller in a project, for a topic
// or subscription whose ACL names him or not.
func answer(rt *rest.Route, c *caller, project string, inACL bool) int {
	roles := c.roles
	if project != "shop" {
		roles = nil
	}
	bound := !slices.ContainsFunc(c.service, func(r directory.ServiceRole) bool { return slices.Contains(rt.Access.Service, r) }) &&
		!slices.Contains(roles, directory.RoleProjectAdmin) && rt.Name != "project.metrics"
	switch {
	case c.invalid:
		return http.StatusUnauthorized
	case !rt.Access.Permits(c.service, roles), bound && !inACL:
		return http.StatusForbidden
	case walked[rt.Name].code != 0:
		return walked[rt.Name].code
	default:
		return http.StatusOK
	}
}

// Every route of messages and pushes answers every role, with good keys and bad ones, in its
// project and in another, in an ACL and not, as the one table of routes says: through a whole
// usher with a real JetStream and real keys. TestAccessToMessages of package api has the same
// policy written out.
//
// Attack: a key is good on an usher that is wired together for what the table of routes refuses, in one of the two modes
// Held by: the walk over every route and every role goes through a whole usher in both modes
func TestWalk(t *testing.T) {
	t.Parallel()
	for name, operator := range map[string]bool{"config mode": false, "operator mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := callers()
			s := startWalk(t, operator, all)
			names := strings.NewReplacer("{topic}", "orders", "{subscription}", "billing")
			others := strings.NewReplacer("{topic}", "returns", "{subscription}", "audit")
			answers := map[int]int{}
			for _, rt := range walkedRoutes(t) {
				for _, where := range []struct {
					project string
					names   *strings.Replacer
					inACL   bool
				}{{"shop", names, true}, {"shop", others, false}, {"lab", names, false}} {
					w := walked[rt.Name]
					path := where.names.Replace(strings.ReplaceAll(rt.Path, "{project}", where.project)) + w.query
					for i := range all {
						code, text := s.Do(t, all[i].key, rt.Method, path, w.body)
						answers[code]++
						if want := answer(&rt, &all[i], where.project, where.inACL); code != want {
							t.Errorf("%s %s: %s gets %d %s, expected %d", rt.Method, path, all[i].name, code, text, want)
						} else if want != http.StatusOK {
							checkError(t, code, text)
						}
					}
				}
			}
			t.Logf("answers by status: %v", answers)
			log := s.Log.String()
			for i := range all {
				if all[i].key != "" && strings.Contains(log, all[i].key) {
					t.Errorf("the log has the key of %s", all[i].name)
				}
			}
		})
	}
}

// walkedRoutes returns the routes of the walk, and fails if one of messages or pushes is missing.
func walkedRoutes(t *testing.T) (all []rest.Route) {
	t.Helper()
	m := &messages.Handlers{}
	for _, rt := range slices.Concat(m.ProjectRoutes(), m.TopicRoutes(), m.SubscriptionRoutes(), (&push.Handlers{}).Routes()) {
		if _, ok := walked[rt.Name]; !ok {
			t.Errorf("%s is not walked", rt.Name)
		}
	}
	for _, rt := range api.Routes() {
		if _, ok := walked[rt.Name]; ok {
			all = append(all, rt)
		}
	}
	if len(all) != len(walked) {
		t.Errorf("%d of %d routes exist", len(all), len(walked))
	}
	return all
}

// startWalk starts an usher with projects shop and lab of the same topics and subscriptions, and
// the callers.
func startWalk(t *testing.T, operator bool, all []caller) *messagestest.Site {
	t.Helper()
	dir := t.TempDir()
	var tokens []config.ServiceToken
	for i := range all {
		if all[i].token {
			file := filepath.Join(dir, all[i].name)
			callouttest.Must(t, secretfile.Write(file, []byte(all[i].key+"\n")))
			tokens = append(tokens, config.ServiceToken{Name: all[i].name, Role: string(all[i].service[0]), TokenFile: file})
		}
	}
	s := messagestest.Start(t, messagestest.Config{Operator: operator, Change: func(c *config.Config) {
		c.API.ServiceTokens, c.API.FailuresPerSecond = tokens, 0
	}})
	for _, project := range []string{"shop", "lab"} {
		s.Project(t, project)
		s.Topic(t, project, "orders")
		s.Topic(t, project, "returns")
		s.Subscription(t, project, "billing", "orders")
		s.Subscription(t, project, "audit", "orders")
	}
	project, _ := s.Server.Bucket().Snapshot().Project("shop")
	shop := project.ID
	var entries []directory.Entry
	put := func(k directory.EntryKey, v directory.Value) {
		entries = append(entries, directory.Entry{Key: k, Value: v})
	}
	topicACL, subACL := &directory.ACL{}, &directory.ACL{}
	for i := range all {
		c := &all[i]
		if c.token || c.unknown {
			continue
		}
		id := directory.IDOf(directory.KindUser, c.name)
		key := &directory.Key{Digest: directory.DigestOf(c.key)}
		if c.expired {
			key.Expires = time.Now().Add(-time.Hour)
		}
		put(directory.UserKey(id), &directory.User{Name: c.name, ServiceRoles: c.service, Disabled: c.off})
		put(directory.KeyKey(id, "k"), key)
		if len(c.roles) > 0 {
			put(directory.MemberKey(shop, id), &directory.Member{Roles: c.roles})
		}
		if c.named(directory.RolePublisher) {
			topicACL.Users = append(topicACL.Users, id)
		}
		if c.named(directory.RoleConsumer) {
			subACL.Users = append(subACL.Users, id)
		}
	}
	put(directory.ResourceKey(directory.KindTopicACL, shop, "orders"), topicACL)
	put(directory.ResourceKey(directory.KindSubscriptionACL, shop, "billing"), subACL)
	_, err := s.Server.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
	callouttest.Must(t, err)
	return s
}

// checkError checks that an error is as clients of AMS need it: with its code and a message.
func checkError(t *testing.T, code int, text string) {
	t.Helper()
	var e wire.Error
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error.Code != code || e.Error.Message == "" || e.Error.Status == "" {
		t.Errorf("%d without an error: %q", code, text)
	}
}
