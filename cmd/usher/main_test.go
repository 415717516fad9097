package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestMain lets this test binary act as usher, so that scripts and tests find it in the
// PATH.
func TestMain(m *testing.M) {
	callouttest.RaiseParallelism()
	testscript.Main(m, map[string]func(){"usher": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
	}})
}

// TestScripts runs testdata/*.txt, which also document the commands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds:                scriptCommands(),
		Setup:               scriptSetup,
	})
}

// scriptSetup makes commands exit at once under the race detector, which else waits a
// second for reports.
func scriptSetup(env *testscript.Env) error {
	env.Vars = append(env.Vars, "GORACE=atexit_sleep_ms=10")
	return nil
}

// scriptCommands are additional commands for scripts.
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits": exits,
		"owned": owned,
		"files": files,
		"store": store,
		"keys":  keys,
		"site":  makeSite,
		"paste": paste,
	}
}

func plain(ts *testscript.TestScript, neg bool, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// exits runs a program and checks its exit code: exits 4 usher explain … A program that
// fails must print to stderr, and stdout must be data.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) >= 2, "exits CODE PROGRAM [ARGS...]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, not %d", code, want)
	}
}

// owned checks that only the owner can read the files. Windows has no such modes.
func owned(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) > 0, "owned FILE...")
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			ts.Fatalf("%s has mode %s", name, info.Mode())
		}
	}
}

// files checks that a directory has exactly these files.
func files(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) > 0, "files DIR [FILE...]")
	found := map[string]bool{}
	root := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if name, rerr := filepath.Rel(root, path); err == nil && rerr == nil && !d.IsDir() {
			found[filepath.ToSlash(name)] = true
		}
		return err
	}))
	for _, name := range args[1:] {
		if !found[name] {
			ts.Fatalf("%s has no file %s", args[0], name)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		ts.Fatalf("%s also has %v", args[0], found)
	}
}

// store writes a field of the JSON on stdout to a file: store key token.
func store(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2, "store FIELD FILE")
	var fields map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &fields))
	text, ok := fields[args[0]].(string)
	if !ok {
		ts.Fatalf("no field %q", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text+"\n"), 0o600))
}

// keys replaces every KEY(text) in a file by the digest of text.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 1, "keys FILE")
	text := callouttest.WithDigests(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// makeSite creates the seeds and the password that usher.yaml of a script names. They are
// the same in each run.
func makeSite(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 0, "site")
	dir := ts.MkAbs(".")
	made := filepath.Join(dir, "made")
	_, err := setup.Write(setup.Options{Dir: made, Listen: setup.DefaultListen, Random: strings.NewReader(strings.Repeat("usher", 100))})
	ts.Check(err)
	ts.Check(os.Rename(filepath.Join(made, setup.DirKeys), filepath.Join(dir, setup.DirKeys)))
	ts.Check(os.Rename(filepath.Join(made, setup.FilePassword), filepath.Join(dir, setup.FilePassword)))
	ts.Check(os.RemoveAll(made))
}

// paste inserts lines at PASTE in a file, with its indentation.
func paste(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, len(args) == 2, "paste LINES FILE")
	text := ts.ReadFile(args[1])
	before, after, ok := strings.Cut(text, "PASTE")
	if !ok {
		ts.Fatalf("%s does not say where", args[1])
	}
	margin := before[strings.LastIndex(before, "\n")+1:]
	lines := strings.ReplaceAll(strings.TrimSpace(ts.ReadFile(args[0])), "\n", "\n"+margin)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(before+lines+after), 0o600))
}
