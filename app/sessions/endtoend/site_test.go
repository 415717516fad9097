package endtoend

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/api/client"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// site is three nats-servers in a cluster, and beside each of them an usher. All are
// processes.
type site struct {
	t                 *testing.T
	natsServer, usher string // programs
	nodes             [3]*node
	admin             string // an API key of a service_admin
}

// node is one server and its usher, each with files of its own.
type node struct {
	dir           string
	port          int // clients; the route, HTTP and the API have the next ports
	server, usher *process
}

func (n *node) url() string             { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }
func (n *node) web() string             { return fmt.Sprintf("http://127.0.0.1:%d", n.port+2) }
func (n *node) api() string             { return fmt.Sprintf("http://127.0.0.1:%d", n.port+3) }
func (n *node) config() string          { return filepath.Join(n.dir, setup.FileConfig) }
func (n *node) path(name string) string { return filepath.Join(n.dir, filepath.FromSlash(name)) }

// process is a running program.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    string // file
}

// kill ends a process at once, and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails if it has exited already
	<-p.exited
}

func startProgram(t *testing.T, log, program string, args ...string) *process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	callouttest.Must(t, err)
	defer out.Close() //nolint:errcheck // the process has it
	p := &process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), program, args...), exited: make(chan struct{}), log: log}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	callouttest.Must(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // fails if it was killed
	}()
	t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("%s, the end:\n%s", log, text[max(0, len(text)-1000):])
		}
	})
	return p
}

// startSite starts everything. The directory has only a service_admin. change changes the
// configuration of usher.
func startSite(t *testing.T, projects []string, change map[string]string) *site {
	t.Helper()
	s := &site{t: t, natsServer: callouttest.Build(t, "nats-server", callouttest.NATSServerPackage), usher: callouttest.Build(t, "usher", "usher/cmd/usher")}
	base := filepath.Join(t.TempDir(), "base")
	values := map[string]string{"directory.replicas": "3", "callout.failures.per_host": "0", "http.listen": "127.0.0.1:2", "api.listen": "127.0.0.1:3"}
	for k, v := range change {
		values[k] = v
	}
	_, err := setup.Write(setup.Options{Dir: base, KV: true, Listen: "127.0.0.1:1", Projects: projects, Random: rand.Reader, Now: time.Now(), Config: values})
	callouttest.Must(t, err)
	for i := range s.nodes {
		s.nodes[i] = &node{dir: filepath.Join(t.TempDir(), fmt.Sprint("n", i)), port: callouttest.FreePort(t)}
		copyFolder(t, base, s.nodes[i].dir)
	}
	for i := range s.nodes {
		s.edit(t, i)
		s.startServer(t, i)
	}
	for i := range s.nodes {
		s.startUsher(t, i)
	}
	s.nodes[0].bootstrap(t, s)
	s.waitReady(t)
	return s
}

// copyFolder copies a folder for its owner only.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	callouttest.Must(t, os.CopyFS(to, os.DirFS(from)))
	callouttest.Must(t, filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return os.Chmod(path, 0o600)
	}))
}

// edit changes the files of a node, which are those of a single installation.
func (s *site) edit(t *testing.T, i int) {
	t.Helper()
	n := s.nodes[i]
	var routes, urls []string
	for k := range s.nodes {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", s.nodes[k].port+1))
		urls = append(urls, s.nodes[(i+k)%len(s.nodes)].url()) // its own server first
	}
	replace(t, n.path(setup.FileServerConfig), map[string]string{
		`(?m)^server_name: .*$`: fmt.Sprintf("server_name: n%d\ncluster { name: C, listen: \"127.0.0.1:%d\", routes: [ %s ] }", i, n.port+1, strings.Join(routes, ", ")),
		`(?m)^listen: .*$`:      fmt.Sprintf("listen: \"127.0.0.1:%d\"", n.port),
		`store_dir: "[^"]*"`:    fmt.Sprintf("store_dir: %q", n.path(setup.DirJetStream)),
	})
	replace(t, n.config(), map[string]string{
		`nats://127\.0\.0\.1:1\b`: strings.Join(urls, ", "),
		`127\.0\.0\.1:2\b`:        fmt.Sprintf("127.0.0.1:%d", n.port+2),
		`127\.0\.0\.1:3\b`:        fmt.Sprintf("127.0.0.1:%d", n.port+3),
	})
}

// replace replaces what patterns match in a file. Each matches once.
func replace(t *testing.T, path string, by map[string]string) {
	t.Helper()
	info, err := os.Stat(path)
	callouttest.Must(t, err)
	text, err := os.ReadFile(path)
	callouttest.Must(t, err)
	for pattern, replacement := range by {
		p := regexp.MustCompile(pattern)
		if n := len(p.FindAllIndex(text, -1)); n != 1 {
			t.Fatalf("%s: %s matches %d times", path, pattern, n)
		}
		text = p.ReplaceAll(text, []byte(replacement))
	}
	callouttest.Must(t, os.WriteFile(path, text, info.Mode()))
}

func (s *site) startServer(t *testing.T, i int) {
	t.Helper()
	n := s.nodes[i]
	n.server = startProgram(t, n.path("nats-server.log"), s.natsServer, "-c", n.path(setup.FileServerConfig))
}

func (s *site) startUsher(t *testing.T, i int) {
	t.Helper()
	n := s.nodes[i]
	n.usher = startProgram(t, n.path("usher.log"), s.usher, "serve", "-c", n.config())
}

// bootstrap creates the service_admin.
func (n *node) bootstrap(t *testing.T, s *site) {
	t.Helper()
	file := n.path("admin.key")
	callouttest.EventuallyWithin(t, upTimeout, "the bucket has a first user", func() bool {
		return exec.CommandContext(t.Context(), s.usher, "bootstrap", "-c", n.config(), "--to", file).Run() == nil
	})
	key, err := os.ReadFile(file)
	callouttest.Must(t, err)
	s.admin = strings.TrimSpace(string(key))
}

// waitReady waits until all ushers answer and all servers know each other.
func (s *site) waitReady(t *testing.T) {
	t.Helper()
	for _, n := range s.nodes {
		callouttest.EventuallyWithin(t, upTimeout, n.dir+" is ready", func() bool {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.web()+"/readyz", nil)
			callouttest.Must(t, err)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false
			}
			return response.Body.Close() == nil && response.StatusCode == http.StatusOK
		})
	}
	for i, n := range s.nodes {
		c := s.client(t, i)
		callouttest.EventuallyWithin(t, upTimeout, n.dir+" knows the service_admin", func() bool {
			_, err := c.Profile(t.Context())
			return err == nil
		})
	}
}

// client returns a client of the API of a node.
func (s *site) client(t *testing.T, i int) *client.Client {
	t.Helper()
	c, err := client.New(&client.Config{Server: s.nodes[i].api(), Key: s.admin})
	callouttest.Must(t, err)
	t.Cleanup(c.Close)
	return c
}
