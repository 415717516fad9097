package systemd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/internal/needs"
)

const exposure = 2.0 // at most, as systemd-analyze security counts it: from 0 to 10

// units returns the paths of copies of the units, and of instances of the templates. They
// start this test program, because /usr/bin/usher may not be there.
func units(t *testing.T) []string {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	from, err := filepath.Glob("../../deploy/systemd/*.service")
	must(t, err)
	if len(from) != 4 {
		t.Fatalf("found %q", from)
	}
	dir := t.TempDir()
	var paths []string
	for _, path := range from {
		text, err := os.ReadFile(path)
		must(t, err)
		changed := strings.ReplaceAll(string(text), "=/usr/bin/usher ", "="+program+" ")
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(changed), 0o644))
		paths = append(paths, filepath.Join(dir, strings.Replace(filepath.Base(path), "@.", "@blue.", 1)))
	}
	return paths
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnits: systemd has no complaint about the units, and calls them well protected.
func TestUnits(t *testing.T) {
	t.Parallel()
	paths := units(t)
	out, err := needs.Program(t, "systemd-analyze", append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
	complaint := regexp.MustCompile(`(?m)^.*usher.*$`) // about other units of this machine it may have some
	if lines := complaint.FindAllString(string(out), -1); len(lines) > 0 {
		t.Errorf("systemd-analyze verify (%v):\n%s", err, strings.Join(lines, "\n"))
	}
	for _, path := range paths {
		if strings.Contains(path, "@") {
			path = strings.Replace(path, "@blue.", "@.", 1)
			instance := strings.Replace(path, "@.", "@i.", 1)
			must(t, os.Link(path, instance))
			path = instance
		}
		cmd := needs.Program(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--json=short", path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: above %.1f: %v\n%s", filepath.Base(path), exposure, err, out)
		}
		var checks []struct{ Name, Exposure string }
		if json.Unmarshal(out, &checks) != nil || len(checks) < 50 {
			t.Errorf("%s: systemd-analyze says %s", filepath.Base(path), out)
		}
	}
}

// TestUnitsAlike: the four units differ in names only.
func TestUnitsAlike(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		b, err := os.ReadFile("../../deploy/systemd/" + name)
		must(t, err)
		var settings []string
		for line := range strings.Lines(string(b)) {
			if line != "\n" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "Description=") && !strings.HasPrefix(line, "After=") {
				settings = append(settings, line)
			}
		}
		return strings.Join(settings, "")
	}
	serve := read("usher.service")
	instance := strings.NewReplacer("/etc/usher/usher.yaml", "/etc/usher/%i.yaml", "Directory=usher\n", "Directory=usher/%i\n")
	push := strings.NewReplacer("usher serve", "usher push", "Directory=usher", "Directory=usher-push", "RuntimeDirectoryPreserve=yes\n", "")
	for name, want := range map[string]string{
		"usher@.service": instance.Replace(serve), "usher-push.service": push.Replace(serve),
		"usher-push@.service": push.Replace(instance.Replace(serve)),
	} {
		if got := read(name); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}
