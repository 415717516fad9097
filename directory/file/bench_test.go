package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/directory"
	"usher/directory/file"
)

// BenchmarkLoad measures how long loading the file of a directory with 100,000 users takes.
// Each project has 1,000 members and 9 topics, and each topic's ACL names a third of the
// members.
func BenchmarkLoad(b *testing.B) {
	const users, perProject, topics = 100_000, 1_000, 9
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range users {
		fmt.Fprintf(&text, "- name: user-%d\n  keys:\n  - digest: %s\n", i, directory.DigestOf(fmt.Sprint(i)))
	}
	text.WriteString("projects:\n")
	for p := range users / perProject {
		fmt.Fprintf(&text, "- name: project-%d\n  account: APP\n  members:\n", p)
		for i := range perProject {
			fmt.Fprintf(&text, "  - user: user-%d\n    roles: [publisher]\n", p*perProject+i)
		}
		text.WriteString("  topics:\n")
		for t := range topics {
			fmt.Fprintf(&text, "  - name: topic-%d\n    acl:\n", t)
			for i := t % 3; i < perProject; i += 3 {
				fmt.Fprintf(&text, "    - user-%d\n", p*perProject+i)
			}
		}
	}
	path := filepath.Join(b.TempDir(), "directory.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		s, err := file.Load(path)
		if err != nil {
			b.Fatal(err)
		}
		if got := s.Size().Users; got != users {
			b.Fatalf("%d users", got)
		}
	}
	b.ReportMetric(float64(text.Len())/(1<<20), "MiB-file")
}
