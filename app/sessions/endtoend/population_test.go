package endtoend

import (
	"fmt"
	"strings"
	"testing"

	"usher/api/client"
	"usher/api/wire"
	"usher/callout/callouttest"
)

// population is the users of a site, and their clients.
type population struct {
	t        *testing.T
	site     *site
	fleet    *fleet
	projects []string
	users    map[string][]string // names, by project
	clients  map[string][]int    // of a key: "u-00-01/a"
}

// names returns prefix00, prefix01 and so on.
func names(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%02d", prefix, i))
	}
	return out
}

// keysOf are the keys of each user, by their names here.
func keysOf() []string { return []string{"a", "b"} }

// secret is the API key of a user.
func secret(user, key string) string { return user + "-secret-" + key }

// populate imports users into every project, each with two keys and an ACL entry, and
// connects clients with each key, spread over the servers.
func populate(t *testing.T, s *site, projects []string, users, clientsOfKey, processes int) *population {
	t.Helper()
	p := &population{t: t, site: s, fleet: startFleet(t, processes), projects: projects, users: map[string][]string{}, clients: map[string][]int{}}
	var people, places strings.Builder
	for i, project := range projects {
		p.users[project] = names(fmt.Sprintf("u-%02d-", i), users)
		for _, user := range p.users[project] {
			fmt.Fprintf(&people, "  - {name: %s, keys: [{id: a, digest: KEY(%s)}, {id: b, digest: KEY(%s)}]}\n", user, secret(user, "a"), secret(user, "b"))
		}
		fmt.Fprintf(&places, "  - name: %s\n    account: %s\n    members: [", project, project)
		for _, user := range p.users[project] {
			fmt.Fprintf(&places, "{user: %s, roles: [publisher]}, ", user)
		}
		fmt.Fprintf(&places, "]\n    topics: [{name: orders, acl: [%[1]s]}, {name: returns, acl: [%[1]s]}, {name: empty, acl: []}]\n", strings.Join(p.users[project], ", "))
	}
	yaml := callouttest.WithDigests("users:\n" + people.String() + "projects:\n" + places.String())
	_, err := s.client(t, 0).Import(t.Context(), []byte(yaml), client.ImportOptions{}, func(*wire.ImportLine) {})
	callouttest.Must(t, err)
	p.waitImported(t)
	n := 0
	for _, project := range projects {
		for _, user := range p.users[project] {
			for _, key := range keysOf() {
				at := user + "/" + key
				for range clientsOfKey {
					n++
					p.clients[at] = append(p.clients[at], p.fleet.connect(t, 1, p.urls(n), secret(user, key))...)
				}
			}
		}
	}
	for i := range guests {
		p.clients["guest/a"] = append(p.clients["guest/a"], p.fleet.connect(t, 1, p.urls(i), "")...)
	}
	p.fleet.waitUp(t)
	return p
}

// waitImported waits until every usher decides by what was imported. One that does not would
// deny clients, which then do not come back.
func (p *population) waitImported(t *testing.T) {
	t.Helper()
	for i, n := range p.site.nodes {
		c := p.site.client(t, i)
		for _, project := range p.projects {
			callouttest.EventuallyWithin(t, upTimeout, n.dir+" has imported "+project, func() bool {
				acl, _, err := c.ACL(t.Context(), client.TopicOf(project, "returns"))
				if err != nil || len(acl.AuthorizedUsers) != len(p.users[project]) {
					return false
				}
				users := p.users[project]
				keys, err := c.Keys(t.Context(), users[len(users)-1])
				return err == nil && len(keys.Keys) == len(keysOf())
			})
		}
	}
}

// guests is how many clients are anonymous: a rule of identities says what they may do.
const guests = 50

// withGuests is the configuration for them. project has their topics.
func withGuests(project string) map[string]string {
	return map[string]string{
		"credentials.anonymous.enabled": "true",
		"identities.rules":              "[{name: guests, when: [{fact: authority, equals: anonymous}], roles: [{project: " + project + ", role: publisher, topics: [orders, returns]}]}]",
	}
}

// urls lists the servers, another one first each time.
func (p *population) urls(n int) string {
	var all []string
	for i := range p.site.nodes {
		all = append(all, p.site.nodes[(n+i)%len(p.site.nodes)].url())
	}
	return strings.Join(all, ",")
}

// of returns the clients of a user, with one key or with all.
func (p *population) of(user string, keys ...string) (ids []int) {
	if len(keys) == 0 {
		keys = keysOf()
	}
	for _, key := range keys {
		ids = append(ids, p.clients[user+"/"+key]...)
	}
	return ids
}
