package setup_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// TestRelocate: an installation that was moved keeps its data, and nothing is created
// at its old place.
func TestRelocate(t *testing.T) {
	for name, o := range map[string]setup.Options{"config": {}, "operator": {Operator: true}} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			before, after := filepath.Join(parent, "a site"), filepath.Join(parent, "moved", "another site")
			o.Dir, o.KV, o.Listen = before, true, "127.0.0.1:4222"
			write(t, o)
			t.Run("before", func(t *testing.T) {
				store := openDirectory(t, loadConfig(t, before), startServer(t, before))
				_, err := store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
					return directory.Put(directory.UserKey(directory.IDOf(directory.KindUser, "ann")), &directory.User{Name: "ann"}), nil
				})
				callouttest.Must(t, err)
			})
			callouttest.Must(t, os.Mkdir(filepath.Dir(after), 0o700))
			callouttest.Must(t, os.Rename(before, after))

			changed, err := setup.Relocate(after)
			callouttest.Must(t, err)
			want := []setup.Relocation{{From: filepath.Join(before, setup.DirJetStream), To: filepath.Join(after, setup.DirJetStream)}}
			if o.Operator {
				want = append(want, setup.Relocation{From: filepath.Join(before, setup.DirResolver), To: filepath.Join(after, setup.DirResolver)})
			}
			// The contexts of the nats CLI name the files with the secrets.
			login := setup.FilePassword
			if o.Operator {
				login = setup.FileServiceCreds
			}
			for _, name := range []string{setup.FileAdminKey, login} {
				want = append(want, setup.Relocation{From: filepath.Join(before, name), To: filepath.Join(after, name)})
			}
			if !slices.Equal(changed, want) {
				t.Errorf("changed %v, want %v", changed, want)
			}
			text := readServerConfig(t, after)
			if strings.Contains(text, before) {
				t.Errorf("nats-server.conf still names %s", before)
			}
			if changed, err := setup.Relocate(after); err != nil || len(changed) > 0 || readServerConfig(t, after) != text {
				t.Errorf("a second time: changed %v, %v", changed, err)
			}
			t.Run("after", func(t *testing.T) {
				store := openDirectory(t, loadConfig(t, after), startServer(t, after))
				if _, ok := store.Snapshot().User("ann"); !ok {
					t.Error("the directory is empty")
				}
			})
			if _, err := os.Stat(before); !os.IsNotExist(err) {
				t.Errorf("something was created at the old place: %v", err)
			}
		})
	}
}

func loadConfig(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, setup.FileConfig))
	callouttest.Must(t, err)
	return cfg
}

func readServerConfig(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, setup.FileServerConfig))
	callouttest.Must(t, err)
	return string(text)
}

// TestRelocateLeftBehind: without its data an installation is not switched to an empty
// store.
func TestRelocateLeftBehind(t *testing.T) {
	parent := t.TempDir()
	before, after := filepath.Join(parent, "before"), filepath.Join(parent, "after")
	write(t, setup.Options{Dir: before, Listen: "127.0.0.1:4222"})
	callouttest.Must(t, os.MkdirAll(filepath.Join(before, setup.DirJetStream, "jetstream"), 0o700))
	callouttest.Must(t, os.WriteFile(filepath.Join(before, setup.DirJetStream, "jetstream", "meta.inf"), nil, 0o600))
	text := readServerConfig(t, before)
	callouttest.Must(t, os.Mkdir(after, 0o700))
	callouttest.Must(t, os.WriteFile(filepath.Join(after, setup.FileServerConfig), []byte(text), 0o600))

	changed, err := setup.Relocate(after)
	if !errors.Is(err, setup.ErrLeftBehind) || !strings.Contains(err.Error(), filepath.Join(before, setup.DirJetStream)) || len(changed) > 0 {
		t.Errorf("%v, %v", changed, err)
	}
	if readServerConfig(t, after) != text {
		t.Error("nats-server.conf was changed")
	}
	callouttest.Must(t, os.Rename(filepath.Join(before, setup.DirJetStream), filepath.Join(after, setup.DirJetStream)))
	if changed, err := setup.Relocate(after); err != nil || len(changed) != 1 {
		t.Errorf("with its data: %v, %v", changed, err)
	}
}

// TestRelocateTwoStores: usher does not choose between two stores with data.
func TestRelocateTwoStores(t *testing.T) {
	parent := t.TempDir()
	dir, elsewhere := filepath.Join(parent, "site"), filepath.Join(parent, "large", setup.DirJetStream)
	write(t, setup.Options{Dir: dir, Listen: "127.0.0.1:4222"})
	text := strings.Replace(readServerConfig(t, dir), filepath.ToSlash(filepath.Join(dir, setup.DirJetStream)), filepath.ToSlash(elsewhere), 1)
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, setup.FileServerConfig), []byte(text), 0o600))
	for _, store := range []string{filepath.Join(dir, setup.DirJetStream), elsewhere} {
		callouttest.Must(t, os.MkdirAll(store, 0o700))
		callouttest.Must(t, os.WriteFile(filepath.Join(store, "meta.inf"), nil, 0o600))
	}
	if changed, err := setup.Relocate(dir); !errors.Is(err, setup.ErrTwoStores) || len(changed) > 0 || readServerConfig(t, dir) != text {
		t.Errorf("%v, %v", changed, err)
	}
}

// TestRelocateEdited: what an operator has edited stays as it is.
func TestRelocateEdited(t *testing.T) {
	storeDir := regexp.MustCompile(`store_dir: "[^"]*"`)
	for name, tt := range map[string]struct {
		edit func(string) string
		want error
	}{
		"other format": {func(text string) string {
			return storeDir.ReplaceAllString(text, "\n  max_mem: 1G\n  store_dir = \"/elsewhere/jetstream\" # on the large disk\n")
		}, nil},
		"other store": {func(text string) string { return storeDir.ReplaceAllString(text, `store_dir: "/data/streams"`) }, setup.ErrNoPaths},
		"comment of another kind, and other quotes": {func(text string) string {
			return storeDir.ReplaceAllString(text, "\n  // store_dir: \"/elsewhere/jetstream\"\n  store_dir: '/elsewhere/jetstream'\n")
		}, setup.ErrNoPaths},
		"store_dir once more in another form": {func(text string) string { return text + "\njetstream { store_dir: /elsewhere/jetstream }\n" }, setup.ErrNoPaths},
		"paths in two folders": {func(text string) string {
			return text + "\nresolver { type: full, dir: \"/elsewhere/resolver\" }\n"
		}, setup.ErrNoPaths},
		"a key that ends in dir": {func(text string) string {
			return storeDir.ReplaceAllString(text, "store_dir: \"/elsewhere/jetstream\"") + "\nplugin { some-dir: \"/elsewhere/resolver\" }\n"
		}, nil},
		"both on one line": {func(text string) string {
			return storeDir.ReplaceAllString(text, "store_dir: \"/elsewhere/jetstream\"; dir: \"/elsewhere/resolver\"")
		}, nil},
		"commented out": {func(text string) string {
			return storeDir.ReplaceAllString(text, "\n  # store_dir: \"/elsewhere/jetstream\"\n")
		}, setup.ErrNoPaths},
	} {
		dir := t.TempDir()
		write(t, setup.Options{Dir: dir, Listen: "127.0.0.1:4222"})
		edited := tt.edit(readServerConfig(t, dir))
		callouttest.Must(t, os.WriteFile(filepath.Join(dir, setup.FileServerConfig), []byte(edited), 0o600))
		_, err := setup.Relocate(dir)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		want := edited
		if tt.want == nil {
			want = strings.Replace(edited, "/elsewhere/jetstream", filepath.ToSlash(filepath.Join(dir, setup.DirJetStream)), 1)
			want = strings.Replace(want, `; dir: "/elsewhere/resolver"`, `; dir: "`+filepath.ToSlash(filepath.Join(dir, setup.DirResolver))+`"`, 1)
		}
		if got := readServerConfig(t, dir); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	if _, err := setup.Relocate(t.TempDir()); !errors.Is(err, setup.ErrNoConfig) {
		t.Errorf("no nats-server.conf: %v", err)
	}
}

// TestDuplicateProject: a project named twice is an error of its own.
func TestDuplicateProject(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	_, err := setup.Write(setup.Options{Dir: dir, Listen: "127.0.0.1:4222", Projects: []string{"shop", "lab", "shop"}, Random: zeros{}})
	if !errors.Is(err, setup.ErrDuplicateProject) || !strings.Contains(err.Error(), "project shop: ") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
