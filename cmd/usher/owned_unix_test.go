//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// check and serve refuse each security-relevant file that another user could have
// written, and accept it otherwise.
//
// Attack: another user of the machine puts a seed, a directory or a configuration where usher reads it
// Held by: serve and check apply one rule for owner, mode, folder and links to every security-relevant file
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "mine")
	in.Edit(t, setup.FileConfig, "nats:\n", "nats:\n  tls: {ca_file: "+ca.File+", cert_file: "+cert+", key_file: "+key+"}\n")
	for _, path := range []string{
		in.Config(), in.Path(setup.FileDirectory), in.Path(setup.FileIssuer), in.Path(setup.FileXKey), in.Path(setup.FilePassword), ca.File, cert, key,
	} {
		back := apptest.Foreign(t, path)
		for _, command := range [][]string{{"check", "--offline"}, {"check", "--offline", "--json"}, {"serve"}} {
			ctx, end := context.WithTimeout(t.Context(), 20*time.Second) // of a service that takes the file
			var out, errs bytes.Buffer
			code := run(ctx, append(append([]string{"usher"}, command...), "-c", in.Config()), &out, &errs)
			end()
			if said := out.String() + errs.String(); code != cmdutil.ExitConfig || !strings.Contains(said, "another user can write or replace it") || !strings.Contains(said, "chmod o-w ") && !strings.Contains(said, "chown ") {
				t.Errorf("%v, %s of another user: %d\n%s", command, filepath.Base(path), code, said)
			}
		}
		back()
	}
	if code, stdout, stderr := usher(t, "check", "--offline", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Errorf("with every file in order: %d\n%s%s", code, stdout, stderr)
	}
}

// Commands that create files follow no symbolic link, and write to no folder in which
// others can replace files.
//
// Attack: another user plants a symbolic link or a writable folder where usher init, or another command, will write a seed or a key
// Held by: files are created only in folders that root or the user owns, and never through a symbolic link
func TestNothingIsWrittenElsewhere(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	top, elsewhere := t.TempDir(), t.TempDir()
	planted, open := filepath.Join(top, "planted"), filepath.Join(top, "open")
	callouttest.Must(t, os.Mkdir(planted, 0o700))
	callouttest.Must(t, os.Mkdir(open, 0o700))
	callouttest.Must(t, os.Chmod(open, 0o777))
	for _, name := range []string{"keys", "tokens", "run", "key", "context"} {
		callouttest.Must(t, os.Symlink(filepath.Join(elsewhere, name), filepath.Join(planted, name)))
		if name != "key" { // through which a file would be made
			callouttest.Must(t, os.Mkdir(filepath.Join(elsewhere, name), 0o700))
		}
	}
	for _, args := range [][]string{
		{"init", planted},
		{"init", "--operator", planted},
		{"init", "--kv", planted},
		{"init", open},
		{"init", filepath.Join(open, "sub")},
		{"dev", "--dir", planted},
		{"dev", "--dir", filepath.Join(open, "sub")},
		{"bootstrap", "-c", in.Config(), "--to", filepath.Join(planted, "key")},
		{"bootstrap", "-c", in.Config(), "--to", filepath.Join(open, "key")},
		{"nkey", "new", "--out", filepath.Join(planted, "key"), "account"},
		{"nkey", "new", "--out", filepath.Join(open, "key"), "account"},
	} {
		code, stdout, stderr := usher(t, args...)
		if code == cmdutil.ExitOK || !strings.Contains(stderr, "is a symbolic link") && !strings.Contains(stderr, "another user can write or replace it") && !strings.Contains(stderr, "file exists") {
			t.Errorf("%v: %d\n%s%s", args, code, stdout, stderr)
		}
	}
	for _, dir := range []string{elsewhere, open, planted} {
		callouttest.Must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				t.Errorf("%s was written", path)
			}
			return err
		}))
	}
}
