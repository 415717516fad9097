package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
)

func kinds() []directory.Kind {
	return []directory.Kind{
		directory.KindUser, directory.KindKey, directory.KindProject, directory.KindMember,
		directory.KindTopic, directory.KindSubscription, directory.KindTopicACL, directory.KindSubscriptionACL,
	}
}

// A parsed key has the spelling that was parsed, and can be part of a subject.
func FuzzParseEntryKey(f *testing.F) {
	for _, kind := range kinds() {
		k := directory.EntryKey{Kind: kind, User: uuid.UUID{1}, Project: uuid.UUID{2}, Name: "name"}
		f.Add(k.String())
		f.Add(strings.ToUpper(k.String()))
		f.Add(k.String() + ".more")
		f.Add(string(kind) + "." + uuid.Nil.String())
	}
	for _, text := range []string{
		"", ".", "..", "user", "user.", "key.01000000-0000-0000-0000-000000000000.", "key.01000000-0000-0000-0000-000000000000.*",
		"user.{01000000-0000-0000-0000-000000000000}", "user.urn:uuid:01000000-0000-0000-0000-000000000000", "topic.01000000000000000000000000000000.x",
		"key.01000000-0000-0000-0000-000000000000._x", "what.01000000-0000-0000-0000-000000000000.x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := directory.ParseEntryKey(text)
		if err != nil {
			if k != (directory.EntryKey{}) {
				t.Errorf("%q: %v and %+v", text, err, k)
			}
			return
		}
		if k.String() != text {
			t.Errorf("%q is spelt %q", text, k.String())
		}
		if again, err := directory.ParseEntryKey(k.String()); err != nil || again != k {
			t.Errorf("%q is %+v, then %+v: %v", text, k, again, err)
		}
		if !slices.Contains(kinds(), k.Kind) || strings.ContainsAny(text, "*> \t\n") || directory.CheckSubject(text) != nil {
			t.Errorf("%q is a key", text)
		}
	})
}
