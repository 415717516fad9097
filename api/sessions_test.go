package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/api"
	"usher/api/sessions"
	"usher/api/wire"
	"usher/callout/session"
	"usher/directory"
	"usher/identity"
	"usher/internal/audit"
	"usher/permissions"
)

// listed is live sessions without servers.
type listed struct {
	mu      sync.Mutex
	all     []*session.Session
	failing uint64 // number of a connection that cannot be closed
	before  func() // called before each session is closed; may be nil
	events  []audit.SessionClosed
	silent  error // why the servers cannot be asked
}

func (m *listed) Select(f *sessions.Filter) iter.Seq[*session.Session] {
	m.mu.Lock()
	all := slices.Clone(m.all)
	m.mu.Unlock()
	return func(yield func(*session.Session) bool) {
		for _, s := range all {
			if (f.User == "" || s.Identity.Name == f.User) && (f.Project == "" || slices.Contains(s.Projects(), f.Project)) &&
				(f.Key == "" || s.Identity.KeyID == f.Key) && (f.Method == "" || s.Identity.Method == f.Method) &&
				(f.Subject == "" || s.Grant.Check(permissions.Publish, f.Subject).Allowed) &&
				(len(f.IDs) == 0 || slices.Contains(f.IDs, s.ID)) && !yield(s) {
				return
			}
		}
	}
}

func (m *listed) Find(id session.ID) (*session.Session, bool) {
	for s := range m.Select(&sessions.Filter{IDs: []session.ID{id}}) {
		return s, true
	}
	return nil, false
}

func (m *listed) Ready() error { return m.silent }

func (*listed) Details(_ context.Context, ids []session.ID) (map[session.ID]*wire.SessionDetails, error) {
	out := map[session.ID]*wire.SessionDetails{}
	for _, id := range ids {
		out[id] = &wire.SessionDetails{Idle: "1s", Subscriptions: []string{"lab.secret"}}
	}
	return out, nil
}

func (m *listed) Close(_ context.Context, id session.ID) error {
	if m.before != nil {
		m.before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id.Client == m.failing {
		return errors.New("its server does not answer")
	}
	m.all = slices.DeleteFunc(slices.Clone(m.all), func(s *session.Session) bool { return s.ID == id })
	return nil
}

func (*listed) Explain(_ context.Context, s *session.Session, project string) (*sessions.Explanation, error) {
	text, err := json.Marshal(map[string]string{"project": project, "account": s.Grant.Account})
	return &sessions.Explanation{Was: text, Now: text}, err
}

// add adds a session whose grant has tags such as "project:shop".
func (m *listed) add(user string, number uint64, tags ...string) {
	m.all = append(m.all, &session.Session{
		ID: session.ID{Server: "NAB", Client: number}, ServerName: "n1", RequestID: "decision",
		Identity: identity.Identity{Name: user, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, KeyID: "key-of-lab"},
		Rules:    []string{"rule-of-lab"}, Started: startTime.Add(time.Duration(number) * time.Second), Expires: startTime.Add(time.Hour),
		Addr:  netip.MustParseAddr("192.0.2.7"),
		Grant: permissions.Grant{Account: "APP", Tags: tags, Rules: []permissions.Rule{{Side: permissions.Publish, Effect: permissions.Allow, Subject: "lab.orders"}}},
	})
	m.all[len(m.all)-1].Client.Name = "client-of-lab"
}

func startSessions(t *testing.T) (*service, *listed) {
	t.Helper()
	m := &listed{}
	s := start(t, nil, func(c *api.Config) {
		c.Sessions = m
		c.SessionClosed = func(e audit.SessionClosed) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.events = append(m.events, e)
		}
	})
	m.add("pub", 1, "project:shop", "role:publisher")
	m.add("con", 2, "project:lab", "project:shop", "role:consumer")
	m.add("lab-pub", 3, "project:lab", "role:publisher")
	m.add("root", 4, "role:service_admin")
	m.add("con", 5, "project:shop", "role:ingest", "role:consumer")
	return s, m
}

func idsIn(t *testing.T, r response) (ids []string) {
	t.Helper()
	for _, s := range decode[wire.SessionList](t, r).Sessions {
		ids = append(ids, strings.TrimPrefix(s.ID, "NAB:"))
	}
	return ids
}

func TestListSessions(t *testing.T) {
	s, m := startSessions(t)
	for query, want := range map[string]string{
		"": "[5 4 3 2 1]", "?user=con": "[5 2]", "?project=lab": "[3 2]", "?id=NAB:1&id=NAB:3": "[3 1]", "?pageSize=2": "[5 4]", "?method=oidc": "[]",
		"?since=24h&ends_within=24h": "[5 4 3 2 1]", "?ends_within=" + startTime.Add(100*24*time.Hour).Format(time.RFC3339): "[5 4 3 2 1]",
	} {
		if got := fmt.Sprint(idsIn(t, s.root(200, "GET", "/v1/sessions"+query, ""))); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"from=x", "since=x", "since=-1h", "ends_within=x", "subject=a..b", "id=x", "details=x"} {
		s.root(400, "GET", "/v1/sessions?"+query, "")
	}
	if text := s.root(400, "GET", "/v1/sessions?ends_within=1d", "").text; !strings.Contains(text, "a day is 24h") {
		t.Errorf("no hint: %s", text)
	}
	if got := decode[wire.SessionList](t, s.root(200, "GET", "/v1/sessions", "")); got.Unconfirmed != "" {
		t.Errorf("unconfirmed: %s", got.Unconfirmed)
	}
	m.silent = errors.New("no server answers")
	if got := decode[wire.SessionList](t, s.root(200, "GET", "/v1/sessions", "")); got.Unconfirmed != "no server answers" || len(got.Sessions) != 5 {
		t.Errorf("without servers: %+v", got)
	}
	m.silent = nil
	var all []string
	for token, path := "", ""; ; {
		path = "/v1/sessions?pageSize=2&pageToken=" + token
		got := s.root(200, "GET", path, "")
		all = append(all, idsIn(t, got)...)
		if token = decode[wire.SessionList](t, got).NextPageToken; token == "" {
			break
		}
	}
	if fmt.Sprint(all) != "[5 4 3 2 1]" {
		t.Errorf("pages: %v", all)
	}
	shown := decode[wire.SessionExplained](t, s.root(200, "GET", "/v1/sessions/NAB:1", ""))
	if shown.User != "pub" || shown.Key != "key-of-lab" || shown.ClientHost != "192.0.2.7" || shown.Details == nil || shown.Was == nil {
		t.Errorf("shown: %+v", shown)
	}
	s.root(404, "GET", "/v1/sessions/NAB:9", "")
	s.root(400, "GET", "/v1/sessions/nab", "")
	s.noSecrets()
}

// Attack: a project_admin looks for what other projects have given to a member: in the session, by a filter on what is not shown, or by closing it
// Held by: of a session whose grant also holds for something else only user, server and address are shown; no other filter finds it, and only a service_admin can close it
func TestSessionsOfOtherProjects(t *testing.T) {
	s, m := startSessions(t)
	const path = "/v1/projects/shop/sessions"
	got := s.as("admin", "GET", path+"?details=true", "")
	if ids := fmt.Sprint(idsIn(t, got)); ids != "[5 2 1]" {
		t.Errorf("found %s", ids)
	}
	for _, x := range decode[wire.SessionList](t, got).Sessions {
		if shared := x.ID != "NAB:1"; x.OtherGrants != shared || (x.Details == nil) != shared || (x.Key == "") != shared || (x.ClientName == "") != shared || fmt.Sprint(x.Projects) != "[shop]" || x.Rules != nil {
			t.Errorf("shown: %+v", x)
		}
	}
	for query, want := range map[string]string{
		"user=con": "[5 2]", "key=key-of-lab": "[1]", "method=apikey": "[1]", "subject=lab.orders": "[1]", "project=lab": "[5 2 1]", "user=lab-pub": "[]", "id=NAB:3": "[]",
	} {
		if ids := fmt.Sprint(idsIn(t, s.as("admin", "GET", path+"?"+query, ""))); ids != want {
			t.Errorf("%s: found %s, want %s", query, ids, want)
		}
	}
	for id, code := range map[string]int{"1": 200, "2": 200, "3": 404, "4": 404, "5": 200} {
		one := s.as("admin", "GET", path+"/NAB:"+id, "")
		if one.code != code || id != "1" && strings.Contains(one.text, "lab") {
			t.Errorf("%s: %d %s", id, one.code, one.text)
		}
	}
	for _, body := range []string{`{"all":true,"reason":"r"}`, `{"ids":["NAB:2","NAB:3","NAB:4","NAB:5"],"reason":"r"}`, `{"project":"lab","user":"con","reason":"r"}`} {
		got := s.as("admin", "POST", path+":kick", body)
		if got.code != http.StatusOK || strings.Contains(got.text, "lab") {
			t.Errorf("%s: %d %s", body, got.code, got.text)
		}
	}
	if len(m.all) != 4 || len(m.events) != 1 || m.events[0].User != "pub" {
		t.Errorf("left: %d, closed: %+v", len(m.all), m.events)
	}
	for _, who := range []string{"lab-admin", "pub", "con", "nobody"} {
		if got := s.as(who, "GET", path, ""); got.code != http.StatusForbidden {
			t.Errorf("%s: %d", who, got.code)
		}
	}
	if got := s.as("admin", "GET", "/v1/sessions?project=shop", ""); got.code != http.StatusForbidden {
		t.Errorf("all sessions: %d", got.code)
	}
}

// A project that is newer than a session is another one of the same name.
func TestSessionsOfFormerProject(t *testing.T) {
	s, m := startSessions(t)
	m.all[0].Started = startTime.Add(-time.Second)
	if ids := fmt.Sprint(idsIn(t, s.as("admin", "GET", "/v1/projects/shop/sessions", ""))); ids != "[5 2]" {
		t.Errorf("found %s", ids)
	}
}

func resultOf(t *testing.T, r response) *wire.KickResult {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.text), "\n")
	var last wire.KickLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Result == nil {
		t.Fatalf("%d %s", r.code, r.text)
	}
	return last.Result
}

func TestKick(t *testing.T) {
	s, m := startSessions(t)
	const path = "/v1/sessions:kick"
	for body, code := range map[string]int{
		`{"reason":"r"}`: 400, `{"all":true,"user":"con","reason":"r"}`: 400, `{"user":"con"}`: 400, `{"user":"con","reason":"r","rate":-1}`: 400,
		`{"user":"con","reason":"r","expected":1}`: 409,
	} {
		if got := s.as("root", "POST", path, body); got.code != code {
			t.Errorf("%s: %d %s", body, got.code, got.text)
		}
	}
	if c := s.lastChange(); c.Action != "session.kick" || c.Actor != "root" || c.Outcome != audit.Refused {
		t.Errorf("audit: %+v", c)
	}
	before := len(s.changes())
	if got := resultOf(t, s.root(200, "POST", path, `{"user":"con","dry_run":true}`)); got.Sessions != 2 || got.Closed != 0 || len(m.all) != 5 {
		t.Errorf("dry run: %+v", got)
	}
	if len(s.changes()) != before {
		t.Error("a dry run is in the audit")
	}
	m.failing = 5
	got := resultOf(t, s.root(200, "POST", path, `{"user":"con","reason":"left","expected":2,"rate":1000}`))
	if got.Sessions != 2 || got.Closed != 1 || len(got.NotClosed) != 1 || got.NotClosed[0].ID != "NAB:5" || len(m.all) != 4 {
		t.Errorf("kick: %+v", got)
	}
	c := s.lastChange()
	if c.Reason != "left" || c.Actor != "root" || c.Outcome != audit.Changed || !strings.Contains(string(c.Before), `"user":"con"`) || !strings.Contains(string(c.After), `"closed":1`) {
		t.Errorf("audit: %+v", c)
	}
	if len(m.events) != 1 || m.events[0].Actor != "root" || m.events[0].Reason != "left" || m.events[0].User != "con" || m.events[0].Code != audit.ClosedKicked || m.events[0].RequestID != c.RequestID {
		t.Errorf("events: %+v", m.events)
	}
	if got := resultOf(t, s.root(200, "POST", path, `{"ids":["NAB:99"],"reason":"r"}`)); len(got.NotClosed) != 1 || got.Sessions != 0 {
		t.Errorf("unknown id: %+v", got)
	}
	s.noSecrets()
}

// Attack: an administrator loses its role while its request closes sessions, and the rest is closed nevertheless
// Held by: the caller's rights are checked again before each session that is closed
func TestRightsWhileKicking(t *testing.T) {
	for name, body := range map[string]string{"/v1/sessions:kick": `{"all":true,"reason":"r","rate":1}`, "/v1/projects/shop/sessions:kick": `{"all":true,"reason":"r","rate":1}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := startSessions(t)
			var once sync.Once
			m.before = func() {
				once.Do(func() {
					shop := directory.IDOf(directory.KindProject, "shop")
					s.put(append(directory.Put(directory.UserKey(idsOf("root")[0]), &directory.User{Name: "root"}),
						directory.Put(directory.MemberKey(shop, idsOf("root")[0]), &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}})...)...)
				})
			}
			got := s.as("root", "POST", name, body)
			if !strings.Contains(got.text, "FORBIDDEN") || len(m.events) != 1 {
				t.Errorf("%d closed: %s", len(m.events), got.text)
			}
			if c := s.lastChange(); c.Outcome != audit.Refused || c.Reason != "r" || c.Before == nil {
				t.Errorf("audit: %+v", c)
			}
		})
	}
}
