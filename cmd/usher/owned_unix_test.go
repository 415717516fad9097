//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/ownedfile"
)

// foreign makes a file one that others could have put there: it belongs to another
// user, in a folder that everybody can write, or, since only root can give files
// away, everybody can write it.
func foreign(t *testing.T, path string) (back func()) {
	t.Helper()
	info, err := os.Stat(path)
	callouttest.Must(t, err)
	folder, err := os.Stat(filepath.Dir(path))
	callouttest.Must(t, err)
	if os.Geteuid() == 0 {
		callouttest.Must(t, os.Chown(path, 4711, 4711))
		callouttest.Must(t, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
	} else {
		callouttest.Must(t, os.Chmod(filepath.Dir(path), 0o777))
	}
	return func() {
		callouttest.Must(t, os.Chown(path, os.Geteuid(), os.Getegid()))
		callouttest.Must(t, os.Chmod(path, info.Mode()))
		callouttest.Must(t, os.Chmod(filepath.Dir(path), folder.Mode()))
	}
}

// Each file that decides something is refused by check and by serve if somebody else
// could have put it there, and taken by both if not.
//
// Attack: another user of the machine puts a seed, a directory or a configuration where usher reads it
// Held by: one rule for owner, mode, folder and links of every file that decides something, in serve and in check
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "mine")
	in.edit(t, setup.FileConfig, "nats:\n", "nats:\n  tls: {ca_file: "+ca.File+", cert_file: "+cert+", key_file: "+key+"}\n")
	for _, path := range []string{
		in.config(), in.path(setup.FileDirectory), in.path(setup.FileIssuer), in.path(setup.FileXKey), in.path(setup.FilePassword), ca.File, cert, key,
	} {
		back := foreign(t, path)
		for _, command := range [][]string{{"check", "--offline"}, {"check", "--offline", "--json"}, {"serve"}} {
			ctx, end := context.WithTimeout(t.Context(), 20*time.Second) // of a service that takes the file
			var out, errs bytes.Buffer
			code := run(ctx, append(append([]string{"usher"}, command...), "-c", in.config()), &out, &errs)
			end()
			if said := out.String() + errs.String(); code != exitConfig || !strings.Contains(said, "another user can write or replace it") || !strings.Contains(said, "chmod o-w ") && !strings.Contains(said, "chown ") {
				t.Errorf("%v, %s of another user: %d\n%s", command, filepath.Base(path), code, said)
			}
		}
		back()
	}
	if code, stdout, stderr := usher(t, "check", "--offline", "-c", in.config()); code != exitOK {
		t.Errorf("with every file in order: %d\n%s%s", code, stdout, stderr)
	}
}

// What makes files writes through no link that was planted, and into no folder in
// which others could exchange them.
//
// Attack: a link or an open folder is planted where usher init, or another command, will write a seed or a key
// Held by: new files are made only in folders of root or of oneself, and through no link
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
		{"bootstrap", "-c", in.config(), "--to", filepath.Join(planted, "key")},
		{"bootstrap", "-c", in.config(), "--to", filepath.Join(open, "key")},
		{"nkey", "new", "--out", filepath.Join(planted, "key"), "account"},
		{"nkey", "new", "--out", filepath.Join(open, "key"), "account"},
	} {
		code, stdout, stderr := usher(t, args...)
		if code == exitOK || !strings.Contains(stderr, "is a link") && !strings.Contains(stderr, "another user can write or replace it") && !strings.Contains(stderr, "file exists") {
			t.Errorf("%v: %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if err := (contextFiles{open}).write("mine", &apiContext{Server: "https://h.example"}); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("a context in everybody's folder: %v", err)
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

// Attack: operator.signing_command is given a script that others can write, and so runs what they choose
// Held by: the program that signs for the operator and its files are held to the rule of what is run before anything is signed
func TestSigningCommandOfOthers(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "sign")
	callouttest.Must(t, os.WriteFile(script, nil, 0o600))
	callouttest.Must(t, os.Chmod(script, 0o755))
	foreign(t, script)
	kp, err := nkeys.CreateOperator()
	callouttest.Must(t, err)
	public, err := kp.PublicKey()
	callouttest.Must(t, err)
	for _, argv := range [][]string{{script}, {"/bin/sh", script}} {
		in := instance{cfg: &config.Config{Operator: config.Operator{SigningCommand: argv, SigningPublicKey: public, CreateAccounts: true}}}
		if _, err := operatorKey(in.cfg); !errors.Is(err, ownedfile.ErrUntrusted) { // of check and nkey
			t.Errorf("%v: %v", argv, err)
		}
		if _, err := in.accountService(); !errors.Is(err, ownedfile.ErrUntrusted) { // of serve
			t.Errorf("%v, serve: %v", argv, err)
		}
		var f findings
		o := operatorCheck{findings: &f, cfg: in.cfg}
		o.operatorProgram(argv[0])
		if len(f) != 1 || !strings.Contains(f[0].Detail, "another user can write or replace it") || !strings.Contains(f[0].Hint, "ch") {
			t.Errorf("%v, check: %+v", argv, f)
		}
	}
}
