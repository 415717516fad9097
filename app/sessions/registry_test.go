package sessions_test

import (
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

func TestRegistryKeepsEverything(t *testing.T) {
	r := sessions.New()
	plain := &session.Session{ID: session.ID{Server: "NX", Client: 1}, UserNKey: "not an nkey", RequestID: "short", Adopted: true}
	for _, want := range []*session.Session{everything(), plain, connection(2), {}} {
		r.Add(want)
		want.Follows = time.Time{} // said once, to those who share it
		if got, ok := r.Find(want.ID); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("\n%+v, want\n%+v", got, want)
		}
	}
}

// Sessions of one principal share what they can, and are not mixed up where they differ.
func TestRegistryTellsAlikeSessionsApart(t *testing.T) {
	var all []*session.Session
	for n := range 12 {
		all = append(all, of("ada", 4*n))
	}
	all[1].Grant.Rules[0].Origin.Role = "consumer"
	all[2].Grant.Rules[0].Subject = "shop.other"
	all[3].Grant.InboxPrefix = "_INBOX_bob"
	all[4].Grant.Tags[3] = "role:consumer"
	all[5].Identity.Selection.Project = "shop"
	all[6].Digest[31] = 1
	all[7].Rules = []string{"staff"}
	all[8].Grant.Connection.Types = []string{"MQTT"}
	all[9].Grant.WholeAccount = true
	all[10].Identity.NotAfter = start()
	all[0].Ruleset, all[10].Identity.KeyPrint = 1, 2
	all[11].Identity.Attributes = everything().Identity.Attributes
	r := sessions.New()
	for _, s := range all {
		r.Add(s)
	}
	for _, s := range all {
		if got, ok := r.Find(s.ID); !ok || !reflect.DeepEqual(got, s) {
			t.Errorf("\n%+v, want\n%+v", got, s)
		}
	}
}

func TestAdoptedDoesNotReplace(t *testing.T) {
	r := filled(1)
	adopted := &session.Session{ID: connection(0).ID, Adopted: true}
	if r.Add(adopted); r.CountOfUser("u000000") != 1 {
		t.Error("an adopted session replaced one whose credential is known")
	}
	r.Remove(adopted.ID, sessions.Missing)
	r.Add(adopted)
	if r.Add(connection(0)); r.CountOfUser("u000000") != 1 || r.Len() != 1 {
		t.Error("a granted session did not replace the adopted one")
	}
	if r.Remove(session.ID{Server: "other", Client: 1}, sessions.Missing) {
		t.Error("removed a session that there was not")
	}
}

// An observer may change the registry, and is then told of it.
func TestObserverChangesTheRegistry(t *testing.T) {
	var r *sessions.Registry
	var told []sessions.Ending
	r = sessions.New(sessions.Observer{
		Added:   func(s *session.Session) { r.Remove(s.ID, sessions.Refused) },
		Removed: func(_ *session.Session, why sessions.Ending) { told = append(told, why) },
	})
	if r.Add(connection(0)); r.Len() != 0 || len(told) != 1 || told[0] != sessions.Refused {
		t.Errorf("%d sessions, told %v", r.Len(), told)
	}
}

// model is what an observer was told.
type model struct {
	mu  sync.Mutex
	all map[session.ID]*session.Session
}

func (m *model) observer() sessions.Observer {
	return sessions.Observer{
		Added: func(s *session.Session) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.all[s.ID] = s
		},
		Removed: func(s *session.Session, _ sessions.Ending) {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.all, s.ID)
		},
	}
}

// Goroutines add, replace and remove sessions of the same IDs, while others read. At the end
// the registry and what its observer was told are the same.
func TestChurn(t *testing.T) {
	const changes, ids, workers = 100_000, 3000, 8
	m := &model{all: map[session.ID]*session.Session{}}
	r := sessions.New(m.observer())
	var wg sync.WaitGroup
	for w := range workers {
		random := rand.New(rand.NewPCG(15, uint64(w)))
		wg.Go(func() {
			for range changes / workers {
				s := connection(random.IntN(ids))
				switch random.IntN(8) {
				case 0, 1, 2:
					r.Remove(s.ID, sessions.Disconnected)
				case 3: // of another user, as if the client had connected again
					other := of("other", int(s.ID.Client)-5)
					r.Add(other)
				case 4:
					if found, ok := r.Find(s.ID); ok && found.ID != s.ID {
						t.Errorf("found %s, want %s", found.ID, s.ID)
					}
				default:
					r.Add(s)
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				r.Select(&sessions.Filter{Project: "lab"}, session.ID{}, 50)
				r.Groups([]string{"u000001", "other"}, func(*session.Session, []session.ID) bool { return true })
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	compare(t, r, m.all)
	for id := range m.all {
		r.Remove(id, sessions.ServerGone)
	}
	compare(t, r, map[session.ID]*session.Session{})
}

// compare compares a registry with a model, its counts too.
func compare(t *testing.T, r *sessions.Registry, want map[session.ID]*session.Session) {
	t.Helper()
	users, keys, projects := map[string]int{}, map[[2]string]int{}, map[string]int{"shop": 0, "lab": 0}
	for id, s := range want {
		if got, ok := r.Find(id); !ok || !reflect.DeepEqual(got, s) {
			t.Fatalf("%s:\n%+v, want\n%+v", id, got, s)
		}
		users[s.Identity.Name]++
		keys[[2]string{s.Identity.Name, s.Identity.KeyID}]++
		for _, p := range s.Projects() {
			projects[p]++
		}
	}
	n := 0
	for s := range r.All {
		if n++; want[s.ID] == nil {
			t.Errorf("%s should not be there", s.ID)
		}
	}
	if n != len(want) || r.Len() != len(want) {
		t.Errorf("%d sessions, Len %d, want %d", n, r.Len(), len(want))
	}
	for user, n := range users {
		if got := r.CountOfUser(user); got != n {
			t.Errorf("%d sessions of %s, want %d", got, user, n)
		}
	}
	for key, n := range keys {
		if got := r.CountOfKey(key[0], key[1]); got != n {
			t.Errorf("%d sessions of %v, want %d", got, key, n)
		}
	}
	for project, n := range projects {
		if got := r.CountOfProject(project); got != n {
			t.Errorf("%d sessions of %s, want %d", got, project, n)
		}
	}
}
