//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestExamples runs the commands of the README.md of each folder of examples/ on other ports,
// with the files of the folder, and compares what they print.
func TestExamples(t *testing.T) {
	t.Parallel()
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	program := callouttest.Build(t, "usher", ".")
	for _, name := range []string{"config-mode", "operator-mode"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExample(t, name, natsServer, program)
			e.follow(t, "## Run it\n")
			e.follow(t, "## Try it\n")
			composeFits(t, e.dir, program)
		})
	}
}

// example is a copy of a folder of examples/ in which its commands run.
type example struct {
	name, dir string
	env       []string
	replace   *strings.Replacer
	running   map[string]*exec.Cmd // by command
}

// newExample copies the folder, and replaces what pairs say in its files and commands: ports,
// and names of hosts that there are not here.
func newExample(t *testing.T, name, natsServer, program string, pairs ...string) *example {
	t.Helper()
	port, more := callouttest.FreePort(t), callouttest.FreePort(t)
	at := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", port+n) }
	pairs = append(pairs,
		"init --operator ", "init --operator --listen "+at(0)+" --http "+at(1)+" --api "+at(2)+" ",
		"init --event-gateway ", "init --event-gateway --listen "+at(0)+" --http "+at(1)+" --api "+at(2)+
			" --gateway "+at(3)+" --gateway-external "+at(4)+fmt.Sprintf(" --internal 127.0.0.1:%d ", more),
		":10140", fmt.Sprintf(":%d", more), " --token-file", " -s nats://"+at(0)+" --token-file",
	)
	for n, standard := range []int{4222, 9778, 9779, 6222} {
		for _, form := range []string{":%d", "port: %d"} {
			pairs = append(pairs, fmt.Sprintf(form, standard), fmt.Sprintf(form, port+n))
		}
	}
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	callouttest.Must(t, os.Mkdir(bin, 0o700))
	callouttest.Must(t, os.Symlink(natsServer, filepath.Join(bin, "nats-server")))
	callouttest.Must(t, os.Symlink(program, filepath.Join(bin, "usher")))
	e := &example{
		name: name, dir: filepath.Join(root, name), replace: strings.NewReplacer(pairs...), running: map[string]*exec.Cmd{},
		env: append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+filepath.Join(root, "config")),
	}
	from := os.DirFS(filepath.Join("..", "..", "examples", name))
	callouttest.Must(t, fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == "run": // somebody tried the example
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(e.dir, path), 0o700)
		}
		text, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(e.dir, path), []byte(e.replace.Replace(string(text))), info.Mode().Perm()&^0o022)
	}))
	return e
}

// follow runs the commands of a section of README.md. Those that end in & run until the test
// ends, and follow waits until they are ready.
func (e *example) follow(t *testing.T, heading string) {
	t.Helper()
	commands := pageCommands(t, "examples/"+e.name+"/README.md", heading, "\n## ")
	if len(commands) == 0 {
		t.Fatalf("no commands below %q", heading)
	}
	for _, command := range commands {
		e.try(t, command)
	}
}

// try runs a command of README.md.
func (e *example) try(t *testing.T, command readmeCommand) {
	t.Helper()
	line := e.replace.Replace(command.line)
	if program, ok := strings.CutSuffix(line, "&"); ok {
		c := e.command(t, "exec "+program)
		background(t, c)
		e.running[strings.TrimSpace(command.line)] = c
		return
	}
	want := cmdutil.ExitOK
	if strings.Contains(command.prints, "usher: error:") {
		want = cmdutil.ExitDenied
	}
	e.run(t, line, want, e.replace.Replace(command.prints))
}

// run runs a command to its end. One that only looks or connects is repeated until it does
// what README.md says: usher may be busy, or wait for JetStream.
func (e *example) run(t *testing.T, line string, want int, prints string) {
	t.Helper()
	repeat := strings.HasPrefix(line, "usher try ") || strings.HasPrefix(line, "usher check ")
	var code int
	var out []byte
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("$ %s\nexit code %d, not %d\n%s\nREADME.md says:\n%s", line, code, want, out, prints)
		}
	})
	callouttest.Eventually(t, line, func() bool {
		var err error
		out, err = e.command(t, line).CombinedOutput()
		var ended *exec.ExitError
		if code = cmdutil.ExitOK; errors.As(err, &ended) {
			code = ended.ExitCode()
		} else {
			callouttest.Must(t, err)
		}
		done := code == want && (prints == "" || string(out) == prints)
		if !done && !repeat {
			t.Fatal("the command fails")
		}
		return done
	})
}

func (e *example) command(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
	c.Dir, c.Env = e.dir, e.env
	return c
}
