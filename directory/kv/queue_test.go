package kv_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// flood lets n administrators of the shop commit one change each. When it returns, all of
// them wait: the first change holds the queue until release is called. observe is called
// with the author of each change before it is sent.
func flood(t *testing.T, s *kv.Store, name string, n int, observe func(author string)) (release func(), ended *sync.WaitGroup) {
	t.Helper()
	hold, begun := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ended = &sync.WaitGroup{}
	write := func(i int) {
		ctx := kv.ByAuthor(t.Context(), kv.Author{User: uuid.New(), Project: shop()})
		_, err := s.Change(ctx, func(*snapshot.Snapshot) ([]directory.Entry, error) {
			once.Do(func() { close(begun); <-hold })
			observe("flood")
			return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("%s-%d", name, i)), &directory.Topic{}), nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	ended.Go(func() { write(0) })
	<-begun
	for i := 1; i < n; i++ {
		ended.Go(func() { write(i) })
	}
	callouttest.Eventually(t, "all writers wait", func() bool { return kv.Waiting(s) == n-1 })
	return sync.OnceFunc(func() { close(hold) }), ended
}

// Attack: two hundred concurrent writers of one project delay all other changes
// Held by: changes are served round robin by author, and all administrators of a project are one author
func TestFloodOfOneProject(t *testing.T) {
	t.Parallel()
	const writers = 200
	s := loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true}))
	setUp(t, s)
	var mu sync.Mutex
	var order []string
	observe := func(author string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, author)
	}
	release, ended := flood(t, s, "flood", writers, observe)
	defer release()
	for i := range 2 {
		ended.Go(func() {
			ctx := kv.ByAuthor(t.Context(), kv.Author{User: uuid.New()})
			_, err := s.Change(ctx, func(*snapshot.Snapshot) ([]directory.Entry, error) {
				observe("other")
				return member(fmt.Sprint("other-", i))[:2], nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	callouttest.Eventually(t, "the others wait too", func() bool { return kv.Waiting(s) == writers-1+2 })
	release()
	ended.Wait()
	// One change of the flood holds the queue, and one is served before the others.
	if at := slices.Index(order, "other"); at > 2 || !slices.Equal(order[at:at+2], []string{"other", "other"}) {
		t.Errorf("the others were made after %d of the flood: %v", at, order[:at+4])
	}
	if got := s.Snapshot().Size(); got.Topics != 1+writers || got.Users != steadyUsers+2 {
		t.Errorf("%+v", got)
	}
}

// Attack: writers of one project flood every replica, so that other writers lose every compare-and-set
// Held by: each replica sends one change at a time, and a writer takes a ticket after four conflicts
func TestFloodOfEveryReplica(t *testing.T) {
	t.Parallel()
	const writers = 30
	url := startNode(t).url()
	a := loaded(t, start(t, kv.Config{Conn: connect(t, url), Create: true}))
	setUp(t, a)
	b := loaded(t, start(t, kv.Config{Conn: connect(t, url)}))
	callouttest.Eventually(t, "both replicas are up to date", func() bool { return b.Status().Revision == a.Status().Revision })
	release, ended := flood(t, b, "b", writers, func(string) {})
	defer release()
	stop := make(chan struct{})
	for i := range writers {
		ended.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := a.Change(kv.ByAuthor(t.Context(), kv.Author{User: uuid.New(), Project: shop()}), func(*snapshot.Snapshot) ([]directory.Entry, error) {
					return directory.Put(directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprint("a-", i)), &directory.Topic{Created: time.Unix(n, 0)}), nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seen := -1
	ended.Go(func() {
		defer close(stop)
		_, err := b.Change(kv.ByAuthor(t.Context(), kv.Author{User: uuid.New()}), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
			p, _ := now.Project("shop")
			seen = 0
			for i := range p.Topics {
				if strings.HasPrefix(p.Topics[i].Name, "b-") {
					seen++
				}
			}
			return member("other")[:2], nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	callouttest.Eventually(t, "the other waits too", func() bool { return kv.Waiting(b) == writers-1+1 })
	release()
	ended.Wait()
	if seen < 0 || seen > 2 {
		t.Errorf("%d of %d of the flood of its own replica were made first", seen, writers)
	}
}

// A change in parts lets other writers go between two parts.
func TestLargeChangeYields(t *testing.T) {
	t.Parallel()
	s := loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true}))
	setUp(t, s)
	begun, hold := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var ended sync.WaitGroup
	ended.Go(func() {
		change(t, s, func(*snapshot.Snapshot) ([]directory.Entry, error) {
			once.Do(func() { close(begun); <-hold })
			var all []directory.Entry
			for i := range 3 * directory.MaxChange {
				all = append(all, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), fmt.Sprintf("large-%d", i)), Value: &directory.Topic{}})
			}
			return all, nil
		})
	})
	<-begun
	seen := 0
	ended.Go(func() {
		_, err := s.Change(kv.ByAuthor(t.Context(), kv.Author{User: uuid.New()}), func(now *snapshot.Snapshot) ([]directory.Entry, error) {
			seen = now.Size().Topics
			return member("other")[:2], nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	callouttest.Eventually(t, "the other waits", func() bool { return kv.Waiting(s) == 1 })
	close(hold)
	ended.Wait()
	if want := 1 + directory.MaxChange; seen != want {
		t.Errorf("it was made when there were %d topics, want %d", seen, want)
	}
	if got := s.Snapshot().Size().Topics; got != 1+3*directory.MaxChange {
		t.Errorf("%d topics", got)
	}
}
