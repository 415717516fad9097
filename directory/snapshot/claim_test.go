package snapshot_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// couple is a directory with two of everything, which can swap names, keys and subjects.
func couple(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	return newSnapshot(t, directory.Records{
		Users: []directory.User{
			{ID: uuid.UUID{1}, Name: "ann", Keys: []directory.Key{{ID: "k", Digest: directory.DigestOf("ann")}}},
			{ID: uuid.UUID{2}, Name: "ben", Keys: []directory.Key{{ID: "k", Digest: directory.DigestOf("ben")}}},
		},
		Projects: []directory.Project{
			{ID: uuid.UUID{3}, Name: "north", Account: "A", Topics: []directory.Topic{{Name: "x", Subject: "north.1"}, {Name: "y", Subject: "north.2"}}},
			{ID: uuid.UUID{4}, Name: "south", Account: "A", Topics: []directory.Topic{{Name: "x"}}},
		},
	})
}

// TestSwap: two users or projects swap something unique in one change.
func TestSwap(t *testing.T) {
	entry := func(k directory.EntryKey, v directory.Value) directory.Entry {
		return directory.Entry{Key: k, Value: v}
	}
	north, topic := uuid.UUID{3}, func(name string) directory.EntryKey {
		return directory.ResourceKey(directory.KindTopic, uuid.UUID{3}, name)
	}
	changes := map[string][]directory.Entry{
		"names": {
			entry(directory.UserKey(uuid.UUID{1}), &directory.User{Name: "ben"}),
			entry(directory.UserKey(uuid.UUID{2}), &directory.User{Name: "ann"}),
		},
		"keys": {
			entry(directory.KeyKey(uuid.UUID{1}, "k"), &directory.Key{Digest: directory.DigestOf("ben")}),
			entry(directory.KeyKey(uuid.UUID{2}, "k"), &directory.Key{Digest: directory.DigestOf("ann")}),
		},
		"names of projects": {
			entry(directory.ProjectKey(north), &directory.Project{Name: "south", Account: "A"}),
			entry(directory.ProjectKey(uuid.UUID{4}), &directory.Project{Name: "north", Account: "A"}),
			entry(topic("x"), &directory.Topic{Subject: "south.1"}),
			entry(topic("y"), &directory.Topic{Subject: "south.2"}),
		},
		"subjects": {entry(topic("x"), &directory.Topic{Subject: "north.2"}), entry(topic("y"), &directory.Topic{Subject: "north.1"})},
		"name and key of one who goes": {
			entry(directory.UserKey(uuid.UUID{9}), &directory.User{Name: "ben"}),
			entry(directory.KeyKey(uuid.UUID{9}, "k"), &directory.Key{Digest: directory.DigestOf("ben")}),
			entry(directory.UserKey(uuid.UUID{2}), nil),
			entry(directory.KeyKey(uuid.UUID{2}, "k"), nil),
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			var first string
			for range 2 {
				next, err := couple(t).Try(change)
				if err != nil {
					t.Fatal(err)
				}
				text := state(next)
				if first != "" && text != first {
					t.Errorf("the order of entries matters:\n%s\n%s", first, text)
				}
				first = text
				if applied, _, problems := couple(t).Apply(change); len(problems) > 0 || state(applied) != text {
					t.Errorf("applied: %v\n%s\nwant\n%s", problems, state(applied), text)
				}
				slices.Reverse(change)
			}
			for i := range change { // one half of it is refused
				if change[i].Value == nil {
					return
				}
			}
			_, err := couple(t).Try(change[:1])
			var problems directory.Problems
			if !errors.As(err, &problems) {
				t.Errorf("one half: got %v", err)
			}
		})
	}
}

// state describes who has which name, key and subject.
func state(s *snapshot.Snapshot) string {
	text := ""
	for _, id := range []uuid.UUID{{1}, {2}, {9}} {
		if u, ok := s.UserByID(id); ok {
			named, _ := s.User(u.Name)
			rec, ok := s.LookupKey(u.Keys[0].Digest)
			text += u.Name + " " + u.Keys[0].Digest.KeyID()
			if named != u || !ok || rec.User != u {
				text += " (and is not found by it)"
			}
			text += "\n"
		}
	}
	for _, id := range []uuid.UUID{{3}, {4}} {
		if p, ok := s.ProjectByID(id); ok {
			text += p.Name
			for _, topic := range p.Topics {
				text += " " + topic.Name + "=" + topic.Subject
			}
			text += "\n"
		}
	}
	return text
}
