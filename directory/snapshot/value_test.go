package snapshot_test

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// Value returns the values that Entries yields.
func TestValue(t *testing.T) {
	kinds := map[directory.Kind]int{}
	for seed := range uint64(40) {
		m := newModel(t, seed)
		for range 300 {
			m.step()
		}
		s := m.inChunks(snapshot.Empty(), m.shuffled(0))
		whole, err := snapshot.New(s.Records()) // in which nothing waits
		if err != nil {
			t.Fatal(err)
		}
		for e := range s.Entries() {
			if got := s.Value(e.Key); got != nil && !reflect.DeepEqual(got, e.Value) {
				t.Errorf("%s: %+v, want %+v", e.Key, got, e.Value)
			}
		}
		for e := range whole.Entries() {
			kinds[e.Key.Kind]++
			if got := whole.Value(e.Key); !reflect.DeepEqual(got, e.Value) {
				t.Errorf("%s: %+v, want %+v", e.Key, got, e.Value)
			}
			absent := e.Key
			absent.Name, absent.User, absent.Project = "absent", uuid.New(), uuid.New()
			if got := whole.Value(absent); got != nil {
				t.Errorf("%s: %+v", absent, got)
			}
		}
	}
	if len(kinds) != 8 {
		t.Errorf("entries of the kinds %v", kinds)
	}
}
