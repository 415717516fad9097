package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/rest"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// The cost of a body does not depend on its depth.
//
// Attack: a body costs the management API more than its size
// Held by: size and depth of a body are limited before it is decoded
func TestDeepBody(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.MaxBody = 4 << 20 })
	for _, tt := range []struct {
		topic, body string
		want        int
	}{
		{"deep", `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, http.StatusOK},
		{"long", `{"a":[` + strings.Repeat("[],", 1000) + `{}],"b":{"c":[{"d":{}}]}}`, http.StatusOK},
		{"x", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, http.StatusBadRequest},
		{"x", `{"a":` + strings.Repeat("[", 3<<20), http.StatusBadRequest},
		{"x", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), http.StatusBadRequest},
		{"x", `{"a":` + strings.Repeat(`[{"b":`, 15) + strings.Repeat(`}]`, 10), http.StatusBadRequest},
	} {
		if got := s.as("admin", "PUT", "/v1/projects/shop/topics/"+tt.topic, tt.body); got.code != tt.want {
			t.Errorf("%.40s: %d %s", tt.body, got.code, got.text)
		}
	}
}

// deadlines is a connection that records its deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// A client that does not read its response loses the connection, with or without a key.
//
// Attack: clients hold connections to the management API by not reading responses
// Held by: every route has a write deadline, shortly after the deadline of the request
func TestWriteDeadline(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/v1/openapi.json", "/v1/users", "/v1/directory:export", "/nowhere"} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		s.http.Config.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.read.IsZero() || !w.write.After(w.read) || w.write.Sub(w.read) > time.Minute {
			t.Errorf("%s: read until %s, write until %s", path, w.read, w.write)
		}
	}
}

// Response, log line and audit entry of a request are short, whatever it contains.
//
// Attack: requests make responses, log and audit of the management API long
// Held by: they list at most ten names or problems, and a cause is cut at 2 KiB
func TestAmplification(t *testing.T) {
	s := start(t, nil, nil)
	list := func(name string, n int) string { return `["` + name + `"` + strings.Repeat(`,"`+name+`"`, n) + "]" }
	var many []string
	for i := range 100_000 {
		many = append(many, fmt.Sprintf(`"u%d"`, i))
	}
	for what, tt := range map[string]struct{ method, path, body, want string }{
		"one name":         {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":` + list("a", 19_000) + `}`, "a is repeated"},
		"many names":       {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":` + list("a", 250_000) + `}`, "at most 20000"},
		"unknown names":    {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":[` + strings.Join(many[:20_000], ",") + `]}`, "u9 and 19990 more do not exist"},
		"invalid names":    {"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["\u0000\u0001",""` + strings.Repeat(`,"`+strings.Repeat("\x7f", 12)+`"`, 19_000) + `]}`, "is repeated"},
		"roles":            {"PUT", "/v1/projects/shop/members/pub", `{"projects":[{"roles":` + list("publisher", 80_000) + `}]}`, "role publisher is repeated"},
		"service roles":    {"POST", "/v1/users/new", `{"service_roles":` + list("ingest", 80_000) + `}`, "service role ingest is repeated"},
		"connection types": {"POST", "/v1/users/new", `{"connection_types":` + list("MQTT", 80_000) + `}`, "connection type MQTT is repeated"},
		"networks":         {"POST", "/v1/users/pub/keys", `{"name":"n","source_networks":` + list("192.0.2.1", 80_000) + `}`, "at most 100"},
	} {
		before := len(s.logged())
		got := s.as("root", tt.method, tt.path, tt.body)
		e := got.error(t)
		if logged := len(s.logged()) - before; len(got.text) > 1000 || logged > 2000 || len(s.lastChange().Cause) > 1000 {
			t.Errorf("%s: %d bytes answered, %d logged, %d in the audit", what, len(got.text), logged, len(s.lastChange().Cause))
		}
		if !strings.Contains(e.Message+strings.Join(e.Errors, "; "), tt.want) {
			t.Errorf("%s: %s", what, got.text)
		}
	}
	// The audit contains the first problems of an import.
	var users strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&users, "  - {name: %q}\n", fmt.Sprintf("no name %d", i))
	}
	if got := s.as("root", "POST", "/v1/directory:import", "users:\n"+users.String()); got.code != 400 || len(s.lastChange().Cause) > 4000 {
		t.Errorf("%d, %d bytes in the audit", got.code, len(s.lastChange().Cause))
	}
}

// A key from AMS does not look like one of usher, and is hidden nevertheless.
//
// Attack: a client puts a key into a name or a text
// Held by: the keys of all users are hidden in response, log and audit, even if they do not look like keys of usher
func TestForeignKeys(t *testing.T) {
	s := start(t, nil, nil)
	s.keys["foreign"] = strings.Repeat("0123456789abcdef", 4)
	_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.KeyKey(idsOf("pub")[0], "ams"), &directory.Key{Digest: directory.DigestOf(s.keys["foreign"])}), nil
	})
	callouttest.Must(t, err)
	if !s.accepts(s.keys["foreign"]) {
		t.Fatal("the key is not accepted")
	}
	for _, key := range []string{s.keys["foreign"], "my-" + s.keys["foreign"], "my-" + s.keys["root"]} {
		for _, tt := range [][3]string{
			{"POST", "/v1/projects/shop/members/" + key + ":add", `{"roles":["publisher"]}`},
			{"PUT", "/v1/projects/shop/topics/" + key, ""},
			{"GET", "/v1/projects/" + key, ""},
			{"POST", "/v1/projects/" + key, ""},
			{"POST", "/v1/users/" + key, `{}`},
			{"POST", "/v1/projects/shop/topics/orders:modifyAcl", `{"authorized_users":["` + key + `"]}`},
			{"PUT", "/v1/users/pub", `{"email":"` + key + `"}`},
			{"PUT", "/v1/users/pub", `{"name":"` + key + `"}`},
			{"POST", "/v1/users/pub/keys", `{"name":"` + key + `"}`},
			{"PUT", "/v1/projects/shop/topics/new", `{"subject":"shop.` + key + `"}`},
			{"POST", "/v1/directory:import", "users: [{name: " + key + "}]\n"},
			{"POST", "/v1/directory:import", "users: [{name: new, nope: " + key + "}]\n"},
			{"POST", "/v1/users/pub:refreshToken", `{"key":"` + key + `"}`},
		} {
			if got := s.as("root", tt[0], tt[1], tt[2]); got.code != 400 && got.code != 404 {
				t.Errorf("%s %s %s: %d %s", tt[0], tt[1], tt[2], got.code, got.text)
			}
		}
	}
	s.root(200, "PUT", "/v1/users/pub", `{"email":"x","token":"`+s.keys["foreign"]+`"}`) // a field of AMS, which is ignored
	s.root(200, "PUT", "/v1/users/pub", `{"email":"`+strings.Repeat("0", 64)+`"}`)
	s.noSecrets()
}

// Requests that are not permitted fill neither audit nor log.
//
// Attack: a user fills log and audit with requests that its roles do not permit
// Held by: at most api.failures_per_second of a user or an address are logged, audited and answered with the reason
func TestManyRefused(t *testing.T) {
	s := start(t, nil, func(c *api.Config) { c.FailedKeys = 1 })
	codes := map[int]int{}
	for range 50 {
		codes[s.as("nobody", "DELETE", "/v1/users/pub", "").code]++
		codes[s.as("nobody", "DELETE", "/v1/projects/none", "").code]++
	}
	if codes[403] != 2 || codes[404] != 2 || codes[429] != 96 || len(s.changes()) != 4 || strings.Count(s.logged(), `"level":"INFO"`) != 4 {
		t.Errorf("%v, %d in the audit, %d logged", codes, len(s.changes()), strings.Count(s.logged(), `"level":"INFO"`))
	}
	if got := s.as("nobody", "GET", "/v1/users/profile", ""); got.code != 200 {
		t.Errorf("a permitted request: %d", got.code)
	}
	if got := s.as("pub", "DELETE", "/v1/users/pub", ""); got.code != 403 {
		t.Errorf("another user: %d", got.code)
	}
	s.now.Add(10)
	if got := s.as("nobody", "DELETE", "/v1/users/pub", ""); got.code != 403 {
		t.Errorf("after 10 s: %d", got.code)
	}
}

// unreadableStore is a store with an entry that cannot be read.
type unreadableStore struct {
	rest.Store
	key directory.EntryKey
}

func (b unreadableStore) Snapshot() *snapshot.Snapshot { return b.of(b.Store.Snapshot()) }

func (b unreadableStore) of(s *snapshot.Snapshot) *snapshot.Snapshot {
	next, _, _ := s.Apply([]directory.Entry{{Key: b.key, Value: &directory.Unreadable{}, Revision: 1}})
	return next
}

func (b unreadableStore) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	return b.Store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return f(b.of(s)) })
}

// While the owner of a key cannot be determined, failures are limited as usual, and a valid
// key is accepted.
//
// Attack: a client guesses keys of the management API while the directory cannot be read
// Held by: these failures are limited per address too
func TestFailedKeysWhileUnreadable(t *testing.T) {
	s := start(t, unreadableStore{callouttest.KVStore(t), directory.KeyKey(idsOf("pub")[0], "damaged")}, func(c *api.Config) { c.FailedKeys = 1 })
	codes := map[int]int{}
	for range 50 {
		codes[s.as("opaque", "GET", "/v1/users/profile", "").code]++
		s.root(200, "GET", "/v1/users/profile", "")
	}
	if codes[503] != 4 || codes[429] != 46 || strings.Count(s.logged(), `"level":"WARN"`) != 4 {
		t.Errorf("%v, %d logged", codes, strings.Count(s.logged(), `"level":"WARN"`))
	}
}

// Attack: a project_admin fills the directory
// Held by: a project has at most 10,000 topics and subscriptions, and 10,000 members, unless a service_admin adds more
func TestQuota(t *testing.T) {
	s := start(t, nil, nil)
	shop := directory.IDOf(directory.KindProject, "shop")
	fill := func(n int, entry func(i int) []directory.Entry) {
		t.Helper()
		for i := 0; i < n; {
			_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) (part []directory.Entry, err error) {
				for ; i < n && len(part) < directory.MaxChange-1; i++ {
					part = append(part, entry(i)...)
				}
				return part, nil
			})
			callouttest.Must(t, err)
		}
	}
	fill(9996, func(i int) []directory.Entry {
		return directory.Put(directory.ResourceKey(directory.KindTopic, shop, fmt.Sprintf("t%d", i)), &directory.Topic{})
	})
	const sub = `{"topic":"projects/shop/topics/orders"}`
	for _, tt := range [][2]string{{"topics/more", ""}, {"subscriptions/more", sub}} {
		if got := s.as("admin", "PUT", "/v1/projects/shop/"+tt[0], tt[1]); got.code != 409 || !strings.Contains(got.text, "10000 topics and subscriptions") {
			t.Errorf("%s: %d %s", tt[0], got.code, got.text)
		}
	}
	s.root(200, "PUT", "/v1/projects/shop/topics/more", "")
	s.root(200, "DELETE", "/v1/projects/shop/topics/more", "")
	s.root(200, "DELETE", "/v1/projects/shop/topics/t1", "")
	if got := s.as("admin", "PUT", "/v1/projects/shop/subscriptions/more", sub); got.code != 200 {
		t.Errorf("after a removal: %d %s", got.code, got.text)
	}
	fill(9997, func(i int) []directory.Entry {
		name := fmt.Sprintf("m%d", i)
		return append(directory.Put(directory.UserKey(idsOf(name)[0]), &directory.User{Name: name}),
			directory.Put(directory.MemberKey(shop, idsOf(name)[0]), &directory.Member{Roles: []directory.Role{directory.RoleConsumer}})...)
	})
	for _, tt := range [][2]string{{"lab-pub:add", `{"roles":["consumer"]}`}, {"new", `{"projects":[{"roles":["consumer"]}]}`}} {
		if got := s.as("admin", "POST", "/v1/projects/shop/members/"+tt[0], tt[1]); got.code != 409 || !strings.Contains(got.text, "10000 members") {
			t.Errorf("%s: %d %s", tt[0], got.code, got.text)
		}
	}
	s.root(200, "POST", "/v1/projects/shop/members/new", `{"projects":[{"roles":["consumer"]}]}`)
}

// While a user or a project cannot be read, no name is given to another: it may be taken.
func TestNamesWhileUnreadable(t *testing.T) {
	for _, key := range []directory.EntryKey{directory.UserKey(idsOf("gone")[0]), directory.ProjectKey(directory.IDOf(directory.KindProject, "gone"))} {
		other := start(t, unreadableStore{callouttest.KVStore(t), key}, nil)
		calls := [][3]string{{"POST", "/v1/users/gone", "{}"}, {"PUT", "/v1/users/pub", `{"name":"gone"}`}, {"POST", "/v1/projects/shop/members/gone", `{"projects":[{"roles":["consumer"]}]}`}}
		if key.Kind == directory.KindProject {
			calls = [][3]string{{"POST", "/v1/projects/gone", ""}, {"PUT", "/v1/projects/shop", `{"name":"gone"}`}}
		}
		for _, x := range calls {
			if got := other.as("root", x[0], x[1], x[2]); got.code != 409 || !strings.Contains(got.text, "may have this name") {
				t.Errorf("%s %s: %d %s", x[0], x[1], got.code, got.text)
			}
		}
		other.root(200, "PUT", "/v1/users/pub", `{"name":"pub","email":"x"}`)
		other.root(200, "PUT", "/v1/projects/shop", `{"name":"shop","description":"x"}`)
	}
}
