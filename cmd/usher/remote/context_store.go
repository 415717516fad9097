package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"usher/internal/fault"

	"usher/directory"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// Context names an API server and the key file to use with it. Its JSON form is the
// content of its file.
type Context struct {
	Server       string `json:"server"`
	KeyFile      string `json:"key_file,omitempty"`
	NATSContext  string `json:"nats_context,omitempty"` // file of the nats CLI with the key, in place of KeyFile
	CAFile       string `json:"ca_file,omitempty"`
	Project      string `json:"project,omitempty"` // default of --project
	InsecureHTTP bool   `json:"insecure_http,omitempty"`

	name string // of its file; "" if options alone describe it
}

// ContextStore stores contexts in a directory: context/NAME.json for each, and
// context.txt with the name of the selected one.
type ContextStore struct{ dir string }

const (
	contextSuffix   = ".json"
	contextSelected = "context.txt"
)

// UserContextStore returns the store of the current user: $XDG_CONFIG_HOME/usher, or
// usher in os.UserConfigDir.
func UserContextStore() (ContextStore, error) {
	dir := os.Getenv("XDG_CONFIG_HOME") // on all systems, as other NATS tools do
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return ContextStore{}, fault.InConfig(fmt.Errorf("find the configuration directory of the user: %w", err))
		}
	}
	return ContextStore{filepath.Join(dir, "usher")}, nil
}

func (f ContextStore) path(name string) string {
	return filepath.Join(f.dir, "context", name+contextSuffix)
}

// read returns a context. The error wraps fs.ErrNotExist if there is none.
func (f ContextStore) read(name string) (*Context, error) {
	if err := directory.CheckName(name); err != nil {
		return nil, fmt.Errorf("context name %w", err)
	}
	text, _, err := ownedfile.Read(f.path(name), ownedfile.Rule{}) // checked, because it says where the key is sent
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no context %s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read context: %w", err)
	}
	x := &Context{name: name}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(x); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(name), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: unexpected data after the context", f.path(name))
	}
	return x, nil
}

// Write creates or replaces a context.
func (f ContextStore) Write(name string, x *Context) error {
	text, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return err
	}
	return f.writeFile(f.path(name), append(text, '\n'))
}

func (f ContextStore) writeFile(path string, text []byte) error {
	if err := ownedfile.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return atomicfile.Write(path, text, 0o600, nil)
}

// Names returns the names of all contexts, sorted.
func (f ContextStore) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(f.dir, "context"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), contextSuffix); ok && directory.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// selected returns the name of the selected context, or "".
func (f ContextStore) selected() (string, error) {
	text, _, err := ownedfile.Read(filepath.Join(f.dir, contextSelected), ownedfile.Rule{})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// selectContext selects a context. An empty name clears the selection.
func (f ContextStore) selectContext(name string) error {
	path := filepath.Join(f.dir, contextSelected)
	if name != "" {
		return f.writeFile(path, []byte(name+"\n"))
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remove removes a context, and clears the selection if it was selected.
func (f ContextStore) remove(name string) error {
	selected, err := f.selected()
	if err == nil && selected == name {
		err = f.selectContext("")
	}
	return errors.Join(err, os.Remove(f.path(name)))
}
