// Package conformance holds the tests that every store of a directory has to pass: Reads
// for lookups and Writes for changes. The tests of each store run them.
//
// It promises to test only what package snapshot and the Store interface document. It
// never depends on how a store keeps a directory.
package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
)

// Store is a store that can be changed; see kv.Store.
type Store interface {
	Snapshot() *snapshot.Snapshot
	Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)
}

// sorted sorts the lists of records whose order has no meaning.
func sorted(r directory.Records) directory.Records {
	slices.SortFunc(r.Users, func(x, y directory.User) int { return strings.Compare(x.Name, y.Name) })
	for i := range r.Users {
		slices.SortFunc(r.Users[i].Keys, func(x, y directory.Key) int { return strings.Compare(x.ID, y.ID) })
	}
	slices.SortFunc(r.Projects, func(x, y directory.Project) int { return strings.Compare(x.Name, y.Name) })
	for i := range r.Projects {
		p := &r.Projects[i]
		slices.SortFunc(p.Members, func(x, y directory.Member) int { return strings.Compare(x.User, y.User) })
		slices.SortFunc(p.Topics, func(x, y directory.Topic) int { return strings.Compare(x.Name, y.Name) })
		slices.SortFunc(p.Subscriptions, func(x, y directory.Subscription) int { return strings.Compare(x.Name, y.Name) })
	}
	slices.SortFunc(r.Bans, func(x, y directory.Ban) int { return strings.Compare(x.ID, y.ID) })
	return r
}

// withoutRevisions removes the revisions, which the store assigns.
func withoutRevisions(r directory.Records) directory.Records {
	for i := range r.Users {
		u := &r.Users[i]
		u.Revision = 0
		for j := range u.Keys {
			u.Keys[j].Revision = 0
		}
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		p.Revision = 0
		for j := range p.Members {
			p.Members[j].Revision = 0
		}
		for j := range p.Topics {
			p.Topics[j].Revision, p.Topics[j].ACLRevision = 0, 0
		}
		for j := range p.Subscriptions {
			p.Subscriptions[j].Revision, p.Subscriptions[j].ACLRevision = 0, 0
		}
	}
	for i := range r.Bans {
		r.Bans[i].Revision = 0
	}
	return r
}

func names[T any](list []*T, name func(*T) string) string {
	var all []string
	for _, x := range list {
		all = append(all, name(x))
	}
	return strings.Join(all, " ")
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
