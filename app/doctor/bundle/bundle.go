package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"usher/internal/atomicfile"
	"usher/internal/fault"
)

// Bundle is an archive in the making.
type Bundle struct {
	redactor *Redactor
	name     string // of the folder in the archive
	at       time.Time
	files    []part
	left     []string
}

type part struct {
	name, what string
	text       string // without secrets
}

// New returns an empty Bundle of a time.
func New(r *Redactor, at time.Time) *Bundle { return &Bundle{redactor: r, name: Name(at), at: at} }

// Name returns the name of a bundle of a time, without .tar.gz.
func Name(at time.Time) string { return "usher-doctor-" + at.UTC().Format("20060102T150405Z") }

// Add adds a text as a file. what says what it is.
func (b *Bundle) Add(name, what, text string) {
	b.files = append(b.files, part{name, what, b.redactor.Text(text)})
}

// AddMetrics is Add for metrics.
func (b *Bundle) AddMetrics(name, what, text string) {
	b.files = append(b.files, part{name, what, b.redactor.Metrics(text)})
}

// AddJSON adds a value as a file of JSON.
func (b *Bundle) AddJSON(name, what string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.Add(name, what, string(text)+"\n")
	return nil
}

// Leave notes what is not in the bundle, and why.
func (b *Bundle) Leave(format string, args ...any) {
	b.left = append(b.left, b.redactor.Text(fmt.Sprintf(format, args...)))
}

// Files returns how many files the bundle has.
func (b *Bundle) Files() int { return len(b.files) + 1 }

// Manifest is the file that says what the others are.
const Manifest = "MANIFEST.txt"

func (b *Bundle) manifest() string {
	var m strings.Builder
	fmt.Fprintf(&m, "Made by usher doctor at %s for a bug report.\n\n", b.at.UTC().Format(time.RFC3339))
	m.WriteString("What looks like a key, a seed or a JWT, and every secret in a file that usher.yaml names,\n" +
		"is replaced. What stays are names and addresses: of hosts, accounts and projects, and of\n" +
		"users where a finding or a line of a log names them. Read the files before you send them.\n\n")
	for i := range b.files {
		fmt.Fprintf(&m, "%s\n    %s\n", b.files[i].name, b.files[i].what)
	}
	m.WriteString("\nNot in this archive:\n")
	for _, text := range b.left {
		fmt.Fprintf(&m, "- %s\n", text)
	}
	return m.String()
}

// Write writes the archive with mode 0600 to a file that does not exist yet.
func (b *Bundle) Write(file string) error {
	data, err := b.archive()
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	err = atomicfile.New(file, data, nil)
	if errors.Is(err, fs.ErrExist) {
		return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf("write bundle: there is a file %s already", filepath.Base(file)), Hint: "give another name with --to"}
	}
	if err != nil {
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("write bundle: %w", err), Hint: "name a file in a folder of your own with --to, or give --no-bundle"}
	}
	return nil
}

func (b *Bundle) archive() ([]byte, error) {
	var data bytes.Buffer
	z := gzip.NewWriter(&data)
	t := tar.NewWriter(z)
	for _, f := range append([]part{{name: Manifest, text: b.manifest()}}, b.files...) {
		head := tar.Header{Name: path.Join(b.name, f.name), Mode: 0o600, Size: int64(len(f.text)), ModTime: b.at.Truncate(time.Second), Format: tar.FormatPAX}
		if err := t.WriteHeader(&head); err != nil {
			return nil, err
		}
		if _, err := t.Write([]byte(f.text)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}
