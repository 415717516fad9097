package kv_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// rig is a store behind a connection that can be cut, and another store.
type rig struct {
	proxy     *proxy
	cut, free *kv.Store
}

func newRig(t *testing.T) *rig {
	t.Helper()
	n := startNode(t)
	r := &rig{proxy: startProxy(t, n.addr())}
	r.free = loaded(t, start(t, kv.Config{Conn: connect(t, n.url()), Create: true}))
	setUp(t, r.free)
	change(t, r.free, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		var entries []directory.Entry
		for _, name := range []string{"ours", "theirs"} {
			entries = append(entries, member(name)...)
		}
		return append(entries, directory.Entry{Key: ordersACL(), Value: &directory.ACL{}}), nil
	})
	r.cut = loaded(t, start(t, kv.Config{Conn: connect(t, r.proxy.url())}))
	callouttest.Eventually(t, "both replicas are up to date", func() bool { return r.cut.Status().Revision == r.free.Status().Revision })
	return r
}

// orders returns the ACL of topic orders.
func orders(s *kv.Store) []string {
	names, _, _ := s.Snapshot().ACL(directory.KindTopicACL, "shop", "orders")
	return names
}

// Change finds out the outcome of a change whose reply was lost: it was committed once or
// not at all.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	const single, batch, large = 1, 3, directory.MaxChange
	// add appends a user to the ACL, as one of several entries.
	add := func(name string, entries int, calls *int) func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			*calls++
			all := []directory.Entry{aclWith(t, s, name)}
			for i := 1; i < entries; i++ {
				all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("%s-%d", name, i)), Value: &directory.Topic{}})
			}
			return all, nil
		}
	}
	topic := func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), "another"), &directory.Topic{}), nil
	}
	tests := map[string]struct {
		entries   int
		at        string // the line is cut where this is sent
		f         action
		meanwhile string // what the other store does before the line is repaired
		err       error
		calls     int
		want      []string
	}{
		"before one entry":               {single, "Usher-Change", dropRequest, "", nil, 1, []string{"ours"}},
		"behind one entry":               {single, "Usher-Change", dropReplies, "", nil, 1, []string{"ours"}},
		"before three":                   {batch, "Nats-Batch-Commit", dropRequest, "", nil, 1, []string{"ours"}},
		"behind three":                   {batch, "Nats-Batch-Commit", dropReplies, "", nil, 1, []string{"ours"}},
		"before a thousand":              {large, "Nats-Batch-Sequence: 1\r", dropRequest, "", nil, 1, []string{"ours"}},
		"among a thousand":               {large, "Nats-Batch-Sequence: 500\r", dropRequest, "", nil, 1, []string{"ours"}},
		"before the last of a thousand":  {large, "Nats-Batch-Commit", dropRequest, "", nil, 1, []string{"ours"}},
		"behind a thousand":              {large, "Nats-Batch-Commit", dropReplies, "", nil, 1, []string{"ours"}},
		"before, and another is first":   {single, "Usher-Change", dropRequest, "acl", nil, 2, []string{"theirs", "ours"}},
		"before three, another first":    {batch, "Nats-Batch-Commit", dropRequest, "acl", nil, 2, []string{"theirs", "ours"}},
		"behind, and another is next":    {single, "Usher-Change", dropReplies, "topic", nil, 1, []string{"ours"}},
		"behind three, another extends":  {batch, "Nats-Batch-Commit", dropReplies, "acl", nil, 1, []string{"ours", "theirs"}},
		"behind, and another overwrites": {single, "Usher-Change", dropReplies, "acl", kv.ErrUnavailable, 1, []string{"ours", "theirs"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			before := r.free.Status().Revision
			done := r.proxy.next(tt.at, tt.f)
			calls, theirs := 0, 0
			ended := make(chan error)
			go func() {
				_, err := r.cut.Change(t.Context(), add("ours", tt.entries, &calls))
				ended <- err
			}()
			<-done
			if tt.f == dropReplies {
				callouttest.Eventually(t, "the change is committed", func() bool { return slices.Equal(orders(r.free), []string{"ours"}) })
			}
			switch tt.meanwhile {
			case "acl":
				change(t, r.free, add("theirs", 1, &theirs))
			case "topic":
				change(t, r.free, topic)
			}
			r.proxy.closeConns()
			r.proxy.open()
			if err := <-ended; !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if calls != tt.calls {
				t.Errorf("made %d times, want %d", calls, tt.calls)
			}
			for _, s := range []*kv.Store{r.cut, r.free} {
				callouttest.Eventually(t, "the change is in use", func() bool { return slices.Equal(orders(s), tt.want) })
			}
			entries := uint64(tt.entries)
			if tt.meanwhile != "" {
				entries++
			}
			if got := r.free.Status().Revision - before; got != entries {
				t.Errorf("%d entries were written, want %d", got, entries)
			}
		})
	}
}

// A change that was overtaken before it was sent is computed again, and its first version
// is known to have failed.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	done := r.proxy.next("Usher-Change", dropRequest)
	calls := 0
	ended := make(chan error)
	go func() {
		_, err := r.cut.Change(t.Context(), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			if calls++; calls == 1 {
				change(t, r.free, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
					return []directory.Entry{aclWith(t, s, "theirs")}, nil
				})
				callouttest.Eventually(t, "the other change has arrived", func() bool { return slices.Equal(orders(r.cut), []string{"theirs"}) })
			}
			return []directory.Entry{aclWith(t, s, "ours")}, nil
		})
		ended <- err
	}()
	<-done
	r.proxy.open()
	if err := <-ended; err != nil || calls != 2 {
		t.Errorf("made %d times: %v", calls, err)
	}
	if got := orders(r.cut); !slices.Equal(got, []string{"theirs", "ours"}) {
		t.Errorf("got %v", got)
	}
}

// Up to MaxChange entries are committed at once, more in parts.
func TestLargeChange(t *testing.T) {
	t.Parallel()
	s := loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true}))
	setUp(t, s)
	topics := func(from, n int) func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return func(*snapshot.Snapshot) ([]directory.Entry, error) {
			var all []directory.Entry
			for i := range n {
				all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("topic-%d", from+i)), Value: &directory.Topic{}})
			}
			return all, nil
		}
	}
	from, before := 0, s.Status().Revision
	for _, n := range []int{0, 1, 2, directory.MaxChange - 1, directory.MaxChange, directory.MaxChange + 1, 2*directory.MaxChange + 1} {
		next := change(t, s, topics(from, n))
		from += n
		if got := next.Size().Topics; got != from+1 {
			t.Errorf("%d at once: %d topics, want %d", n, got, from+1)
		}
		if got := s.Status().Revision - before; got != uint64(from) {
			t.Errorf("%d at once: revision %d, want %d", n, got, from)
		}
	}
}

// An entry that is larger than a message is refused, and not sent again.
func TestLargeEntry(t *testing.T) {
	t.Parallel()
	s := loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true}))
	setUp(t, s)
	id := uuid.New()
	_, err := s.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(id), &directory.User{Name: "large", Profile: &directory.Profile{Description: string(make([]byte, 1<<20))}}), nil
	})
	var problems directory.Problems
	if !errors.As(err, &problems) || problems[0].Path != directory.UserKey(id).String() {
		t.Errorf("got %v", err)
	}
}
