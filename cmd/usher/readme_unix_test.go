//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"usher/app/apptest"
	"usher/app/demo"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/dev"

	"usher/callout/callouttest"
)

// readmeCommand is one command of README.md with what it prints.
type readmeCommand struct{ line, prints string }

// readmeCommands returns the commands between two texts of README.md.
func readmeCommands(t *testing.T, from, to string) []readmeCommand {
	t.Helper()
	return pageCommands(t, "README.md", from, to)
}

// pageCommands returns the commands between two texts of a document.
func pageCommands(t *testing.T, page, from, to string) []readmeCommand {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
	callouttest.Must(t, err)
	_, section, _ := strings.Cut(string(text), from)
	section, _, _ = strings.Cut(section, to)
	var all []readmeCommand
	for i, block := range strings.Split(section, "```") {
		block, console := strings.CutPrefix(block, "console\n")
		if i%2 == 0 || !console {
			continue
		}
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				command, _, _ = strings.Cut(command, "  #")
				all = append(all, readmeCommand{line: strings.TrimSpace(command)})
			} else if line != "\n" {
				all[len(all)-1].prints += line
			}
		}
	}
	return all
}

// readme runs the commands of README.md on other ports, and compares their output.
func readme(t *testing.T, program, natsServer string) {
	t.Helper()
	port := callouttest.FreePort(t)
	at := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", port+n) }
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	callouttest.Must(t, os.Mkdir(bin, 0o700))
	callouttest.Must(t, os.Symlink(natsServer, filepath.Join(bin, "nats-server")))
	callouttest.Must(t, os.Symlink(program, filepath.Join(dir, "usher")))
	shell := func(line string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), "/bin/sh", "-c", "exec "+line)
		c.Dir = dir
		c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "PATH="+bin+":"+os.Getenv("PATH"))
		return c
	}
	done := 0
	for _, command := range readmeCommands(t, "## With your own nats-server\n", "With an operator and account JWTs") {
		line := strings.NewReplacer(
			"http://127.0.0.1:9779", "http://"+at(2),
			"init --kv ", "init --kv --listen "+at(0)+" --http "+at(1)+" --api "+at(2)+" ",
			" --token-file", " -s nats://"+at(0)+" --token-file",
		).Replace(command.line)
		switch {
		case strings.HasPrefix(line, "go build"):
		case strings.HasSuffix(line, "&"):
			background(t, shell(strings.TrimSpace(strings.TrimSuffix(line, "&"))))
		default:
			want := 0
			if strings.Contains(command.prints, "usher: error:") {
				want = cmdutil.ExitDenied
			}
			var out []byte
			code := 0
			for range apptest.Attempts {
				var err error
				out, err = shell(line).CombinedOutput()
				var ended *exec.ExitError
				if code = 0; errors.As(err, &ended) {
					code = ended.ExitCode()
				}
				if code == cmdutil.ExitOK || code == cmdutil.ExitDenied || !apptest.Unanswered(string(out)) {
					break
				}
			}
			printed := strings.ReplaceAll(string(out), "nats://"+at(0), "nats://"+setup.DefaultListen)
			if code != want || command.prints != "" && printed != command.prints {
				t.Fatalf("$ %s\nexit code %d, not %d\n%s\nREADME.md says:\n%s", line, code, want, out, command.prints)
			}
		}
		done++
	}
	if done < 20 {
		t.Errorf("only %d commands", done)
	}
}

// TestReadmeDemo runs the commands of the first section of README.md beside "usher dev",
// and compares their output.
func TestReadmeDemo(t *testing.T) {
	t.Parallel()
	p, a := startDev(t, "--listen", "127.0.0.1:0")
	ends := regexp.MustCompile(`(?m)^(ends +)\S+`)
	done := 0
	for _, command := range readmeCommands(t, "In another terminal, allowed:", "## With your own nats-server") {
		line, ok := strings.CutPrefix(command.line, "go run ./cmd/usher ")
		if !ok {
			t.Fatalf("no command of usher: %s", command.line)
		}
		args := strings.Fields(strings.NewReplacer("demo/", a.Dir+"/", "--clients 500", "--clients 5").Replace(line))
		if args[0] == "try" || args[0] == "bench" {
			args = slices.Insert(args, 2, "-s", a.URL)
		}
		_, stdout, stderr := answered(t, args...)
		printed := strings.ReplaceAll(stdout+stderr, a.URL, "nats://"+setup.DefaultListen)
		got, want := ends.ReplaceAllString(printed, "$1"), ends.ReplaceAllString(command.prints, "$1")
		if args[0] == "bench" {
			got, want = withoutFigures(stdout), withoutFigures(want)
		}
		if got != want {
			t.Errorf("$ %s\n%s\nREADME.md says:\n%s", command.line, got, want)
		}
		done++
	}
	if done != 6 {
		t.Errorf("%d commands", done)
	}
	p.signal(t, os.Interrupt)
	p.wait(t)
}

// withoutFigures returns the labels of a measurement, without empty lines.
func withoutFigures(text string) string {
	text = strings.ReplaceAll(text, "\n\n", "\n")
	return regexp.MustCompile(` *[0-9][0-9.]*(m?s|µs)?`).ReplaceAllString(text, " #")
}

// TestDevOutputInDocs compares the first lines of "usher dev" with those in the documents.
func TestDevOutputInDocs(t *testing.T) {
	t.Parallel()
	const api = "http://127.0.0.1:42163"
	for page, operator := range map[string]bool{
		"README.md":                      false,
		"docs/tutorial/first-project.md": false,
		"docs/how-to/operator-mode.md":   true,
	} {
		var out strings.Builder
		callouttest.Must(t, dev.PrintText(&out, &demo.Directory{Operator: operator}, "nats://"+setup.DefaultListen, api, "demo"))
		found := 0
		for _, command := range pageCommands(t, page, "", "\x00") {
			if fields := strings.Fields(command.line); !slices.Contains(fields, "dev") || !strings.Contains(command.prints, "…") {
				continue
			}
			found++
			if begin, _, _ := strings.Cut(command.prints, "…"); !strings.HasPrefix(out.String(), begin) {
				t.Errorf("%s: %s prints\n%s", page, command.line, out.String())
			}
		}
		if found != 1 {
			t.Errorf("%s: %d outputs of usher dev", page, found)
		}
	}
}

// TestTutorial runs the commands of the tutorial beside "usher dev", and compares what
// they print where the tutorial shows it.
func TestTutorial(t *testing.T) {
	p, a := startDev(t, "--listen", "127.0.0.1:0")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	_, _, _ = answered(t, "context", "save", "--server", "http://127.0.0.1:1", "other") // a context from earlier work is selected
	key := filepath.Join(t.TempDir(), "alice.key")
	done := 0
	for _, command := range pageCommands(t, "docs/tutorial/first-project.md", "## Tell the command line", "$ rm -r demo") {
		line, ok := strings.CutPrefix(command.line, "./usher ")
		if !ok {
			continue // tail shows the audit
		}
		args := strings.Fields(strings.NewReplacer("demo/", a.Dir+"/", "alice.key", key, "http://127.0.0.1:42163", a.API).Replace(line))
		want := cmdutil.ExitOK
		if strings.Contains(command.prints, "usher: error:") || args[0] == "explain" {
			want = cmdutil.ExitDenied
		}
		if args[0] == "try" {
			args = slices.Insert(args, 2, "-s", a.URL)
		}
		code, stdout, stderr := answered(t, args...)
		printed := strings.ReplaceAll(stdout+stderr, a.URL, "nats://"+setup.DefaultListen)
		if begin, _, _ := strings.Cut(command.prints, "…"); code != want || !strings.HasPrefix(printed, begin) {
			t.Errorf("$ %s\nexit code %d, not %d\n%s\nthe tutorial says:\n%s", command.line, code, want, printed, command.prints)
		}
		done++
	}
	if done < 13 {
		t.Errorf("only %d commands", done)
	}
	if _, stdout, _ := answered(t, "context", "list"); strings.Contains(stdout, "demo") {
		t.Errorf("the clean-up leaves a context:\n%s", stdout)
	}
	p.signal(t, os.Interrupt)
	p.wait(t)
}

// background starts a program, and waits until it is ready.
func background(t *testing.T, c *exec.Cmd) {
	t.Helper()
	var out callouttest.Buffer
	c.Stdout, c.Stderr = &out, &out
	callouttest.Must(t, c.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // ends with a signal
	}()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s\n%s", c, out.String())
		}
	})
	callouttest.Eventually(t, c.String()+" runs", func() bool {
		return strings.Contains(out.String(), "Server is ready") || strings.Contains(out.String(), "usher is running") && strings.Contains(out.String(), "directory loaded")
	})
}
