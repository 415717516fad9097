package kv_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// A user in more ACLs than one change can hold is removed while another writer adds to the
// last of them. No addition is lost.
func TestPartsKeepOtherEdits(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	first := make(chan struct{}) // the first part has been made
	removed := sync.OnceFunc(func() { close(first) })
	var leaving atomic.Bool
	a := loaded(t, start(t, kv.Config{Conn: c, Create: true, OnChange: func(kv.Changed) {
		if leaving.Load() {
			removed()
		}
	}}))
	b := loaded(t, start(t, kv.Config{Conn: c}))
	many, last := uuid.UUID{0x01}, uuid.UUID{0xff} // in the order in which a user leaves them
	leaves, added := uuid.New(), make([]uuid.UUID, 200)
	role := []directory.Role{directory.RolePublisher}
	put := func(key directory.EntryKey, v directory.Value) directory.Entry {
		return directory.Entry{Key: key, Value: v}
	}
	change(t, a, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		all := []directory.Entry{
			put(directory.UserKey(leaves), &directory.User{Name: "leaves"}),
			put(directory.ProjectKey(many), &directory.Project{Name: "many", Account: "APP"}),
			put(directory.ProjectKey(last), &directory.Project{Name: "last", Account: "APP"}),
			put(directory.MemberKey(many, leaves), &directory.Member{Roles: role}), put(directory.MemberKey(last, leaves), &directory.Member{Roles: role}),
			put(directory.ResourceKey(directory.KindTopic, last, "topic"), &directory.Topic{}),
			put(directory.ResourceKey(directory.KindTopicACL, last, "topic"), &directory.ACL{Users: []uuid.UUID{leaves}}),
		}
		for i := range added {
			added[i] = uuid.New()
			all = append(all, put(directory.UserKey(added[i]), &directory.User{Name: fmt.Sprintf("user-%d", i)}),
				put(directory.MemberKey(last, added[i]), &directory.Member{Roles: role}))
		}
		return all, nil
	})
	change(t, a, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i := range 2*directory.MaxChange + 500 {
			name := fmt.Sprintf("topic-%d", i)
			all = append(all, put(directory.ResourceKey(directory.KindTopic, many, name), &directory.Topic{}),
				put(directory.ResourceKey(directory.KindTopicACL, many, name), &directory.ACL{Users: []uuid.UUID{leaves}}))
		}
		return all, nil
	})
	var gone atomic.Bool
	edits := make(chan int, 1)
	go func() {
		n := 0
		<-first
		for ; n < len(added) && !gone.Load(); n++ {
			if _, err := b.Change(t.Context(), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
				users, _, _ := s.ACL(directory.KindTopicACL, "last", "topic")
				ids, _ := s.IDs("last", users)
				for i := range n {
					if !slices.Contains(ids, added[i]) {
						t.Errorf("user-%d was added, and is not there any more", i)
					}
				}
				return directory.Put(directory.ResourceKey(directory.KindTopicACL, last, "topic"), &directory.ACL{Users: append(ids, added[n])}), nil
			}); err != nil {
				t.Error(err)
				break
			}
		}
		edits <- n
	}()
	leaving.Store(true)
	change(t, a, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return s.RemoveUser(leaves), nil })
	gone.Store(true)
	n := <-edits
	t.Logf("%d edits meanwhile", n)
	callouttest.Eventually(t, "no addition is lost", func() bool {
		users, _, _ := a.Snapshot().ACL(directory.KindTopicACL, "last", "topic")
		return len(users) == n
	})
}
