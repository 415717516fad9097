package kv_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/kv"
)

// A user is in more ACLs than are changed at once, and somebody else edits them
// while it is removed: what is edited stays edited.
func TestPartsLeaveOthersEdits(t *testing.T) {
	c := jetStream(t)
	a, b := loaded(t, start(t, kv.Config{Conn: c, Create: true})), loaded(t, start(t, kv.Config{Conn: c}))
	const topics = 2*directory.MaxChange + 500
	project := uuid.New()
	leaves, stays := uuid.New(), uuid.New()
	put := func(key directory.EntryKey, v directory.Value) directory.Entry {
		return directory.Entry{Key: key, Value: v}
	}
	change(t, a, func(*directory.Snapshot) ([]directory.Entry, error) {
		role := []directory.Role{directory.RolePublisher}
		return []directory.Entry{
			put(directory.UserKey(leaves), &directory.User{Name: "leaves"}), put(directory.UserKey(stays), &directory.User{Name: "stays"}),
			put(directory.ProjectKey(project), &directory.Project{Name: "shop", Account: "APP"}),
			put(directory.MemberKey(project, leaves), &directory.Member{Roles: role}), put(directory.MemberKey(project, stays), &directory.Member{Roles: role}),
		}, nil
	})
	name := func(i int) string { return fmt.Sprintf("topic-%d", i) }
	change(t, a, func(*directory.Snapshot) ([]directory.Entry, error) {
		var all []directory.Entry
		for i := range topics {
			all = append(all, put(directory.ResourceKey(directory.KindTopic, project, name(i)), &directory.Topic{}),
				put(directory.ResourceKey(directory.KindTopicACL, project, name(i)), &directory.ACL{Users: []uuid.UUID{leaves}}))
		}
		return all, nil
	})
	var edits sync.WaitGroup
	edits.Go(func() {
		for i := topics - 1; i > topics-60; i-- { // those that come last
			if _, err := b.Change(t.Context(), func(s *directory.Snapshot) ([]directory.Entry, error) {
				users, _, _ := s.ACL(directory.KindTopicACL, "shop", name(i))
				ids, _ := s.IDs("shop", users)
				return directory.Put(directory.ResourceKey(directory.KindTopicACL, project, name(i)), &directory.ACL{Users: append(ids, stays)}), nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	change(t, a, func(s *directory.Snapshot) ([]directory.Entry, error) { return s.RemoveUser(leaves), nil })
	edits.Wait()
	s := change(t, b, func(*directory.Snapshot) ([]directory.Entry, error) { return nil, nil })
	for i := topics - 1; i > topics-60; i-- {
		if users, _, _ := s.ACL(directory.KindTopicACL, "shop", name(i)); !slices.Equal(users, []string{"stays"}) {
			t.Fatalf("%s is open to %v", name(i), users)
		}
	}
}
