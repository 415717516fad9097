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
	"testing"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// installation is what "usher init" makes, with the commands that run there.
type installation struct {
	apptest.Site
	API string // HOST:PORT of api.listen
}

func newInstallation(t *testing.T, more ...string) installation {
	t.Helper()
	in := initialized(t)
	for i := 0; i < len(more); i += 2 {
		in.Edit(t, setup.FileConfig, more[i], more[i+1])
	}
	return in
}

// initialized is an installation with more options of "usher init".
func initialized(t *testing.T, options ...string) installation {
	t.Helper()
	port := callouttest.FreePort(t)
	dir := filepath.Join(t.TempDir(), "site")
	in := installation{
		Site: apptest.Site{
			Dir: dir,
			URL: fmt.Sprintf("nats://127.0.0.1:%d", port),
			Web: fmt.Sprintf("http://127.0.0.1:%d", port+1),
		},
		API: fmt.Sprintf("127.0.0.1:%d", port+2),
	}
	args := append([]string{"init"}, options...)
	args = append(args, "--listen", strings.TrimPrefix(in.URL, "nats://"), "--http", strings.TrimPrefix(in.Web, "http://"), "--api", in.API, in.Dir)
	if code, _, stderr := usher(t, args...); code != cmdutil.ExitOK {
		t.Fatalf("init: %d\n%s", code, stderr)
	}
	return in
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
	in.Write(t, "tokens/"+token, token+"\n")
	return in.Path("tokens/" + token)
}

// try connects as alice and returns the exit code.
func (in installation) try(t *testing.T) int {
	t.Helper()
	code, _, _ := answered(t, "try", "publish", "-s", in.URL, "--token-file", in.token(t, "alice-key"), "shop.orders", "teapot")
	return code
}

// usher runs a command in this process.
func usher(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"usher"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// process is a program that runs during the test.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr callouttest.Buffer
	done           chan struct{} // closed once it has ended
	err            error
}

// start starts a program, and kills it at the end of the test.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	return startIn(t, "", program, args...)
}

// startIn is start with a temporary directory; empty: that of the test. A program that is
// killed leaves its temporary files.
func startIn(t *testing.T, tmp, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if tmp != "" {
		p.cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TMP="+tmp)
	}
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
	p := start(t, "usher", "serve", "-c", in.Config())
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

// get sends a request to the listener for metrics and probes. Status 0 stands for no
// response.
func (in installation) get(path string) (status int, body string) {
	res, err := http.Get(in.Web + path)
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
