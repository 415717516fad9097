//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

const backupPage = "docs/how-to/backup.md"

const jetStreamAnswers = 20 * time.Second // within which it answers, on a busy machine

// TestBackupPage runs the commands of the page: it backs up, destroys everything, restores, and
// connects with the old keys. The nats CLI, for streams, is replaced by the requests that it sends.
func TestBackupPage(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	root := filepath.Dir(in.Dir)
	shell := func(from, to string) {
		t.Helper()
		runPage(t, in, root, from, to)
	}
	admin := func(file string, args ...string) string {
		t.Helper()
		code, stdout, stderr := answered(t, slices.Insert(args, 2, "--server", "http://"+in.API, "--key-file", file)...)
		if code != cmdutil.ExitOK {
			t.Fatalf("%v: %d %s", args, code, stderr)
		}
		return strings.TrimSpace(stdout)
	}

	server := in.NatsServer(t)
	if code, _, stderr := answered(t, "bootstrap", "-c", in.Config(), "--to", in.Path("admin.key")); code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	usher := in.serve(t)
	key := in.Path("admin.key")
	for _, user := range []string{"alice", "bob"} {
		admin(key, "user", "add", "--to", in.Path(user+".key"), user)
	}
	admin(key, "key", "add", "--to", in.Path("second.key"), "alice", "second")
	admin(key, "project", "add", "--account", "APP", "shop")
	admin(key, "topic", "add", "--project", "shop", "orders")
	admin(key, "member", "add", "--project", "shop", "--role", "publisher", "alice")
	admin(key, "acl", "add", "--project", "shop", "--topic", "orders", "alice")
	admin(key, "key", "rm", "--yes", "alice", "second")
	admin(key, "ban", "add", "--user", "bob", "--for", "1h", "--reason", "a test")
	in.publishes(t, "alice.key")
	var kept *streamBackup
	in.asAdmin(t, "admin.key", "admin", func(nc *nats.Conn) { kept = backUpStream(t, nc, "shop") })
	shell("## Back up\n", "The export has digests")

	_ = usher.cmd.Process.Signal(os.Interrupt)
	usher.wait(t)
	server.Stop()
	secrets := map[string]string{}
	for _, name := range []string{"alice.key", "second.key", "bob.key"} {
		text, err := os.ReadFile(in.Path(name))
		callouttest.Must(t, err)
		secrets[name] = strings.TrimSpace(string(text))
	}
	callouttest.Must(t, os.RemoveAll(in.Dir))

	shell("## Restore\n", "$ nats-server")
	in.NatsServer(t)
	shell("$ nats-server -c auth/nats-server.conf &\n", "$ usher serve")
	in.serve(t)
	in.asAdmin(t, filepath.Join("..", "restore.key"), "restore", func(nc *nats.Conn) { kept.restore(t, nc) })
	shell("Then the directory:", "All keys and passwords")

	in.publishes(t, "alice.key")
	in.asAdmin(t, "admin.key", "admin", func(nc *nats.Conn) {
		js, err := jetstream.New(nc)
		callouttest.Must(t, err)
		stream, err := js.Stream(t.Context(), "shop")
		callouttest.Must(t, err)
		if got := stream.CachedInfo().State.Msgs; got != 2 {
			t.Errorf("%d messages, not the one of the backup and a new one", got)
		}
	})
	for _, name := range []string{"second.key", "bob.key"} {
		if _, err := connectWith(in, secrets[name]); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if users := admin(key, "user", "list"); strings.Contains(users, "restore") {
		t.Errorf("the user of the restore is still there:\n%s", users)
	}
}

// runPage runs commands of the page in the folder root, where "auth" is the installation.
func runPage(t *testing.T, in installation, root, from, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(backupPage)))
	callouttest.Must(t, err)
	_, after, ok := strings.Cut(string(text), from)
	part, _, end := strings.Cut(after, to)
	if !ok || !end {
		t.Fatalf("%s has no part from %q to %q", backupPage, from, to)
	}
	script := ""
	for line := range strings.Lines(part) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script += command
		}
	}
	if script == "" {
		t.Fatalf("no commands from %q to %q", from, to)
	}
	site := filepath.Base(in.Dir)
	script = strings.NewReplacer("http://127.0.0.1:9779", "http://"+in.API, "auth/", site+"/", " auth\n", " "+site+"\n").Replace(script)
	c := exec.CommandContext(t.Context(), "/bin/sh", "-ec", script)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
}

// connectWith connects with an API key.
func connectWith(in installation, key string) (*nats.Conn, error) {
	for range apptest.Attempts {
		nc, err := nats.Connect(in.URL, nats.Token(key))
		if err == nil || !apptest.Unanswered(err.Error()) {
			return nc, err
		}
	}
	return nil, nats.ErrTimeout
}

// publishes publishes a message with the key in a file, and waits until the stream has it.
func (in installation) publishes(t *testing.T, file string) {
	t.Helper()
	said := ""
	defer func() {
		if t.Failed() {
			t.Log(said)
		}
	}()
	callouttest.Eventually(t, "a message is stored", func() bool {
		code, stdout, stderr := usher(t, "try", "publish", "-s", in.URL, "--token-file", in.Path(file), "--ack", "--inbox", "_INBOX_alice", "shop.orders", "teapot")
		said = stdout + stderr
		return code == cmdutil.ExitOK
	})
}

// asAdmin does something with a connection of a service_admin.
func (in installation) asAdmin(t *testing.T, file, user string, do func(nc *nats.Conn)) {
	t.Helper()
	key, err := os.ReadFile(in.Path(file))
	callouttest.Must(t, err)
	nc := apptest.Connected(t, in.URL, nats.Token(strings.TrimSpace(string(key))), nats.CustomInboxPrefix("_INBOX_"+user))
	do(nc)
	nc.Close()
}

// streamBackup is what "nats stream backup" keeps: the settings of a stream and its content.
type streamBackup struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	name   string
	chunks [][]byte
}

func backUpStream(t *testing.T, nc *nats.Conn, name string) *streamBackup {
	t.Helper()
	b := &streamBackup{name: name}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	callouttest.Must(t, err)
	answer(t, nc, "$JS.API.STREAM.SNAPSHOT."+name, map[string]any{"deliver_subject": inbox}, b)
	for {
		m, err := sub.NextMsg(jetStreamAnswers)
		callouttest.Must(t, err)
		if len(m.Data) == 0 {
			return b
		}
		b.chunks = append(b.chunks, m.Data)
		if m.Reply != "" { // the server waits for it before it sends more
			callouttest.Must(t, m.Respond(nil))
		}
	}
}

func (b *streamBackup) restore(t *testing.T, nc *nats.Conn) {
	t.Helper()
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	answer(t, nc, "$JS.API.STREAM.RESTORE."+b.name, b, &to)
	for _, chunk := range b.chunks {
		_, err := nc.Request(to.Subject, chunk, jetStreamAnswers)
		callouttest.Must(t, err)
	}
	_, err := nc.Request(to.Subject, nil, jetStreamAnswers)
	callouttest.Must(t, err)
}

// answer sends a request to JetStream's API.
func answer(t *testing.T, nc *nats.Conn, subject string, request, response any) {
	t.Helper()
	data, err := json.Marshal(request)
	callouttest.Must(t, err)
	m, err := nc.Request(subject, data, jetStreamAnswers)
	callouttest.Must(t, err)
	if strings.Contains(string(m.Data), `"error":`) {
		t.Fatalf("%s: %s", subject, m.Data)
	}
	callouttest.Must(t, json.Unmarshal(m.Data, response))
}
