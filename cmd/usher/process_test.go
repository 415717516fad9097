package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/app/devserver"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// installation is what "usher init" makes, on ports of its own.
type installation struct {
	dir, url, web string
}

func newInstallation(t *testing.T, more ...string) installation {
	t.Helper()
	in := initialized(t)
	for i := 0; i < len(more); i += 2 {
		in.edit(t, setup.FileConfig, more[i], more[i+1])
	}
	return in
}

// initialized is an installation with more options of "usher init".
func initialized(t *testing.T, options ...string) installation {
	t.Helper()
	port := callouttest.FreePort(t)
	in := installation{
		dir: filepath.Join(t.TempDir(), "site"),
		url: fmt.Sprintf("nats://127.0.0.1:%d", port),
		web: fmt.Sprintf("http://127.0.0.1:%d", port+1),
	}
	args := append([]string{"init"}, options...)
	args = append(args, "--listen", strings.TrimPrefix(in.url, "nats://"), "--http", strings.TrimPrefix(in.web, "http://"), in.dir)
	if code, _, stderr := usher(t, args...); code != exitOK {
		t.Fatalf("init: %d\n%s", code, stderr)
	}
	return in
}

func (in installation) path(name string) string {
	return filepath.Join(in.dir, filepath.FromSlash(name))
}

func (in installation) config() string { return in.path(setup.FileConfig) }

// edit replaces what stands once in a file.
func (in installation) edit(t *testing.T, name, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(in.path(name))
	callouttest.Must(t, err)
	if bytes.Count(text, []byte(old)) != 1 {
		t.Fatalf("%s does not hold %q once:\n%s", name, old, text)
	}
	in.write(t, name, strings.Replace(string(text), old, replacement, 1))
}

// write replaces a file in one step, as an operator's tool would.
func (in installation) write(t *testing.T, name, text string) {
	t.Helper()
	callouttest.Must(t, replaceFile(in.path(name), []byte(text)))
}

// aliceDirectory is a directory.yaml in which alice may publish shop.orders with alice-key.
func aliceDirectory() string {
	return callouttest.WithDigests(`
users:
  - {name: alice, keys: [{digest: KEY(alice-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: alice, roles: [publisher]}], topics: [{name: orders, acl: [alice]}]}
`)
}

// token writes a token to a file and returns its path.
func (in installation) token(t *testing.T, token string) string {
	t.Helper()
	in.write(t, "tokens/"+token, token+"\n")
	return in.path("tokens/" + token)
}

// try connects as alice and returns the exit code.
func (in installation) try(t *testing.T) int {
	t.Helper()
	code, _, _ := answered(t, "try", "publish", "-s", in.url, "--token-file", in.token(t, "alice-key"), "shop.orders", "teapot")
	return code
}

// natsServer starts the server of the installation. It ends with the test.
func (in installation) natsServer(t *testing.T) *devserver.Server {
	t.Helper()
	var srv *devserver.Server
	var err error
	// Of the one before it a process that another test just starts can have the
	// listener, until it becomes its program.
	callouttest.Eventually(t, "its port is free", func() bool {
		srv, err = devserver.Start(devserver.Config{ConfigFile: in.path(setup.FileServerConfig), LogFile: in.path("nats-server.log")})
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	callouttest.Must(t, err)
	t.Cleanup(srv.Stop)
	return srv
}

// usher runs a command in this process.
func usher(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"usher"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// process is a program that runs beside the test.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr callouttest.Buffer
	done           chan struct{} // closed once it has ended
	err            error
}

// start starts a program, which is killed at the end of the test if it runs still.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	callouttest.Must(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		if !p.ended() {
			_ = p.cmd.Process.Kill() // it may just have ended
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s %v\n%s%s", program, args, p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// waitFor waits for a text on stdout or stderr.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	callouttest.Eventually(t, fmt.Sprintf("%s says %q", p.cmd.Path, text), func() bool {
		said := strings.Contains(p.stdout.String()+p.stderr.String(), text)
		if !said && p.ended() {
			t.Fatalf("it ended and never said %q", text)
		}
		return said
	})
}

// wait waits for the end and returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	callouttest.Eventually(t, "the program ends", p.ended)
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	callouttest.Must(t, p.err)
	return 0
}

// serve starts "usher serve" and waits until it is ready.
func (in installation) serve(t *testing.T) *process {
	t.Helper()
	p := start(t, "usher", "serve", "-c", in.config())
	in.waitReady(t, p)
	return p
}

func (in installation) waitReady(t *testing.T, p *process) {
	t.Helper()
	callouttest.Eventually(t, "usher is ready", func() bool {
		if p.ended() {
			t.Fatal("it ended")
		}
		status, _ := in.get("/readyz")
		return status == http.StatusOK
	})
}

// get asks the listener for metrics and probes; status 0: it does not answer.
func (in installation) get(path string) (status int, body string) {
	res, err := http.Get(in.web + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close() //nolint:errcheck // read only
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, b.String()
}
