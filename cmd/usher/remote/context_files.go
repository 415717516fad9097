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

// Context says which API a command speaks to, and with which key. It holds
// paths, never a key.
type Context struct {
	Server       string `json:"server"`
	KeyFile      string `json:"key_file,omitempty"`
	CAFile       string `json:"ca_file,omitempty"`
	Project      string `json:"project,omitempty"` // for commands that are given none
	InsecureHTTP bool   `json:"insecure_http,omitempty"`
}

// ContextFiles is the directory that keeps contexts: a file for each in "context",
// and the name of the selected one in "context.txt".
type ContextFiles struct{ dir string }

const (
	contextSuffix   = ".json"
	contextSelected = "context.txt"
)

// UserContexts returns where this user keeps contexts.
func UserContexts() (ContextFiles, error) {
	dir := os.Getenv("XDG_CONFIG_HOME") // everywhere, as other tools of NATS take it
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return ContextFiles{}, fault.InConfig(fmt.Errorf("find the directory of contexts: %w", err))
		}
	}
	return ContextFiles{filepath.Join(dir, "usher")}, nil
}

func (f ContextFiles) path(name string) string {
	return filepath.Join(f.dir, "context", name+contextSuffix)
}

// read returns a context; fs.ErrNotExist if there is none of that name.
func (f ContextFiles) read(name string) (*Context, error) {
	if err := directory.CheckName(name); err != nil {
		return nil, fmt.Errorf("the name of a context %w", err)
	}
	text, _, err := ownedfile.Read(f.path(name), ownedfile.Rule{}) // it says where a key is sent
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no context %s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read a context: %w", err)
	}
	x := &Context{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(x); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(name), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more follows the context", f.path(name))
	}
	return x, nil
}

// Write keeps a context, in place of one of the same name.
func (f ContextFiles) Write(name string, x *Context) error {
	text, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return err
	}
	return f.put(f.path(name), append(text, '\n'))
}

func (f ContextFiles) put(path string, text []byte) error {
	if err := ownedfile.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return atomicfile.Write(path, text, 0o600, nil)
}

// Names returns the names of all contexts, sorted.
func (f ContextFiles) Names() ([]string, error) {
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

// selected returns the name of the selected context; empty: none is.
func (f ContextFiles) selected() (string, error) {
	text, _, err := ownedfile.Read(filepath.Join(f.dir, contextSelected), ownedfile.Rule{})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// choose selects a context; an empty name selects none.
func (f ContextFiles) choose(name string) error {
	path := filepath.Join(f.dir, contextSelected)
	if name != "" {
		return f.put(path, []byte(name+"\n"))
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remove removes a context; it is not selected any more then.
func (f ContextFiles) remove(name string) error {
	selected, err := f.selected()
	if err == nil && selected == name {
		err = f.choose("")
	}
	return errors.Join(err, os.Remove(f.path(name)))
}
