package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"usher/directory"
	"usher/directory/conformance"
	"usher/directory/file"
	"usher/directory/snapshot"
)

func TestConformance(t *testing.T) {
	conformance.Reads(t, func(t *testing.T, r directory.Records) *snapshot.Snapshot {
		t.Helper()
		var text bytes.Buffer
		if err := file.Write(&text, r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "directory.yaml")
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := file.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
