package kv_test

import (
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/conformance"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	open := func(t *testing.T) *kv.Store {
		t.Helper()
		bucket := strings.NewReplacer("/", "-").Replace(t.Name())
		return loaded(t, start(t, kv.Config{Conn: c, Create: true, Bucket: bucket}))
	}
	t.Run("Reads", func(t *testing.T) {
		conformance.Reads(t, func(t *testing.T, r directory.Records) *snapshot.Snapshot {
			t.Helper()
			s := open(t)
			conformance.Fill(t, s, r)
			again := open(t) // from the bucket
			return again.Snapshot()
		})
	})
	t.Run("Writes", func(t *testing.T) {
		conformance.Writes(t, func(t *testing.T) conformance.Store { t.Helper(); return open(t) })
	})
}
