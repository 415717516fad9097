package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// operated is a running installation in operator mode with its directory in NATS.
type operated struct {
	installation
	api, key string // URL of the API, and file with the key of a service_admin
	stop     func()
}

func startOperated(t *testing.T, edit func(in installation)) *operated {
	t.Helper()
	in := initialized(t, "--operator", "--kv")
	if edit != nil {
		edit(in)
	}
	in.NatsServer(t)
	code, key, stderr := usher(t, "bootstrap", "-c", in.Config())
	if code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	o := &operated{installation: in, key: in.token(t, strings.TrimSpace(key))}
	o.api, o.stop = in.serveAPI(t)
	t.Cleanup(o.stop)
	return o
}

// ask runs a command over the API.
func (o *operated) ask(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return usher(t, append(args[:2:2], append([]string{"--server", o.api, "--key-file", o.key}, args[2:]...)...)...)
}

// ok checks that a command succeeds, with a text on stderr.
func (o *operated) ok(t *testing.T, says string, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := o.ask(t, args...)
	if code != cmdutil.ExitOK || !strings.Contains(stdout+stderr, says) {
		t.Fatalf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout, stderr
}

// no checks that a command fails, with an exit code and a text on stderr.
func (o *operated) no(t *testing.T, want int, says string, args ...string) {
	t.Helper()
	code, stdout, stderr := o.ask(t, args...)
	if code != want || !strings.Contains(stderr, says) {
		t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
	}
}

// member creates a user with a role in a project, and returns its key.
func (o *operated) member(t *testing.T, name, project string) string {
	t.Helper()
	stdout, _ := o.ok(t, "", "member", "add", "--new", "--role", "project_admin", "--project", project, name)
	return strings.TrimSpace(stdout)
}

// where returns the account of a client with this key, or "" if it is denied.
func (o *operated) where(t *testing.T, key string) string {
	t.Helper()
	nc, err := nats.Connect(o.URL, nats.Token(key), nats.CustomInboxPrefix("_INBOX_any"), nats.NoReconnect(), callouttest.ConnectTimeout())
	if err != nil {
		return ""
	}
	defer nc.Close()
	id, err := nc.GetClientID()
	callouttest.Must(t, err)
	system, err := nats.Connect(o.URL, nats.UserCredentials(o.Path(setup.FileSystemCreds)), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	defer system.Close()
	m, err := system.Request("$SYS.REQ.SERVER.PING.CONNZ", fmt.Appendf(nil, `{"cid":%d,"auth":true}`, id), 20*time.Second)
	callouttest.Must(t, err)
	_, rest, _ := strings.Cut(string(m.Data), `"account":"`)
	account, _, _ := strings.Cut(rest, `"`)
	return account
}

// With the operator's key, project add and project rm create and close an account for the
// project.
func TestProjectAccount(t *testing.T) {
	t.Parallel()
	o := startOperated(t, nil)
	o.no(t, cmdutil.ExitUsage, "usher project add -c creates one on the machine that has the operator's key", "project", "add", "shop")
	o.no(t, cmdutil.ExitUsage, "--account and -c: give only one of them", "project", "add", "-c", o.Config(), "--account", "APP", "shop")
	o.no(t, cmdutil.ExitRuntime, "hint: choose another project name", "project", "add", "-c", o.Config(), "APP")
	o.no(t, cmdutil.ExitUsage, "is reserved", "project", "add", "-c", o.Config(), "habitat")
	if apptest.FileExists(o.Path("keys/project-habitat.nk")) {
		t.Error("a project that is refused has an account")
	}
	_, stderr := o.ok(t, "created project shop in account shop", "project", "add", "-c", o.Config(), "shop")
	t.Log(stderr)
	o.no(t, cmdutil.ExitRuntime, "project shop exists already", "project", "add", "-c", o.Config(), "shop")
	o.ok(t, "projects in one account are not isolated", "project", "add", "--account", "APP", "one")
	for _, name := range []string{"operator/accounts/shop.jwt", "operator/keys/project-shop.nk", "keys/project-shop.nk"} {
		if info, err := os.Stat(o.Path(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if code, stdout, stderr := usher(t, "check", "-c", o.Config()); code != cmdutil.ExitOK {
		t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
	}

	// A project of another name is still in its account; who would get that is refused.
	o.ok(t, "", "project", "set", "--name", "store", "shop")
	o.no(t, cmdutil.ExitRuntime, "account shop is in use by project store", "project", "add", "-c", o.Config(), "shop")
	_, stderr = o.ok(t, "removed project store", "project", "rm", "-c", o.Config(), "--yes", "store")
	if !strings.Contains(stderr, "nats server account purge A") {
		t.Error(stderr)
	}
	o.no(t, cmdutil.ExitRuntime, "there is no project store", "project", "rm", "-c", o.Config(), "--yes", "store")
	// A project that goes without its account leaves one, which check finds.
	o.ok(t, "created project left", "project", "add", "-c", o.Config(), "left")
	o.ok(t, "removed project left", "project", "rm", "--yes", "left")
	code, stdout, stderr := usher(t, "check", "-c", o.Config())
	if code != cmdutil.ExitOK || !strings.Contains(stdout+stderr, "was created for project left, but no project uses it") {
		t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
	}
	o.ok(t, "removed project left", "project", "rm", "-c", o.Config(), "--yes", "left")
	if apptest.FileExists(o.Path("keys/project-left.nk")) {
		t.Error("the account that was left is still there")
	}
	_, stderr = o.ok(t, "removed project one", "project", "rm", "-c", o.Config(), "--yes", "one")
	if !strings.Contains(stderr, "account APP was not created for a project, and stays, and so do the project's streams") {
		t.Error(stderr)
	}
	if apptest.FileExists(o.Path("operator/accounts/shop.jwt")) || apptest.FileExists(o.Path("keys/project-shop.nk")) {
		t.Error("files of the account are still there")
	}
}

// An import creates many projects with their accounts.
func TestImportAccounts(t *testing.T) {
	t.Parallel()
	o := startOperated(t, nil)
	file := filepath.Join(t.TempDir(), "directory.yaml")
	text := "users: []\nprojects:\n  - {name: shared, account: APP}\n"
	for i := range 20 {
		text += fmt.Sprintf("  - {name: p%d}\n", i)
	}
	callouttest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	stdout, _ := o.ok(t, "", "directory", "import", "-c", o.Config(), "--dry-run", file)
	if strings.Count(stdout, "+ account p") != 20 || !strings.Contains(stdout, "+ project p7") || apptest.FileExists(o.Path("keys/project-p7.nk")) {
		t.Errorf("dry run\n%s", stdout)
	}
	_, stderr := o.ok(t, "created 20 accounts", "directory", "import", "-c", o.Config(), "--yes", file)
	if n := strings.Count(stderr, "account AUTH: pushed"); n != 1 || strings.Contains(stderr, "\x1b") {
		t.Errorf("%d pushes of the callout account\n%s", n, stderr)
	}
	stdout, _ = o.ok(t, "", "project", "list")
	for i := range 20 {
		if name := fmt.Sprintf("p%d", i); !strings.Contains(stdout, name) {
			t.Errorf("no %s in\n%s", name, stdout)
		}
	}
	o.ok(t, "nothing: the directory is up to date", "directory", "import", "-c", o.Config(), "--yes", file)
	// After a rename no other project gets the account.
	o.ok(t, "", "project", "set", "--name", "other", "p3")
	o.no(t, cmdutil.ExitRuntime, "account p3 is in use by project other", "directory", "import", "-c", o.Config(), "--yes", file)
}

// With a directory file, project add prints what to add to it.
func TestProjectAccountFile(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--operator")
	in.NatsServer(t)
	in.serve(t)
	healthy(t, in.Config())
	code, stdout, stderr := usher(t, "project", "add", "-c", in.Config(), "shop")
	if code != cmdutil.ExitOK || stdout != "  - name: shop\n    account: shop\n" || !strings.Contains(stderr, "hint: add this to projects in ") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	in.Write(t, setup.FileDirectory, "users: []\nprojects:\n"+stdout)
	code, _, stderr = usher(t, "project", "rm", "-c", in.Config(), "--yes", "shop")
	if code != cmdutil.ExitRuntime || !strings.Contains(stderr, "project shop is still in") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	in.Write(t, setup.FileDirectory, "users: []\n")
	for _, want := range []struct {
		code int
		says string
	}{{cmdutil.ExitOK, "nats server account purge"}, {cmdutil.ExitRuntime, "no account was created for project shop"}} {
		if code, _, stderr = usher(t, "project", "rm", "-c", in.Config(), "--yes", "shop"); code != want.code || !strings.Contains(stderr, want.says) {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	}
}

// The service creates accounts where its configuration allows it. A program signs for the
// operator, and has the only copy of its key.
func TestProjectAccountAPI(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "signing.nk")
	signer := callouttest.Build(t, "signer", "usher/issuer/testdata/signer")
	o := startOperated(t, func(in installation) {
		callouttest.Must(t, os.Rename(in.Path(setup.FileOperatorSigning), elsewhere))
		in.Edit(t, setup.FileConfig, "  signing_key_file: "+setup.FileOperatorSigning+"\n",
			fmt.Sprintf("  signing_command: [%q, base64, %q]\n  signing_public_key: %s\n  create_accounts: true\n", signer, elsewhere, publicOfSeed(t, elsewhere)))
		in.Edit(t, setup.FileConfig, "  streams: managed\n", "  streams: manual\n")
	})
	o.ok(t, "created project shop in account shop", "project", "add", "shop")
	o.no(t, cmdutil.ExitRuntime, "project already exists", "project", "add", "shop")
	o.no(t, cmdutil.ExitRuntime, "An account of this name exists", "project", "add", "APP")
	o.ok(t, "created project two in account shop", "project", "add", "--account", "shop", "two")
	key := o.member(t, "alice", "shop")
	if account := o.where(t, key); account != accountKey(t, o, "shop") {
		t.Errorf("alice is in %q", account)
	}
	if code, stdout, stderr := usher(t, "check", "-c", o.Config()); code != cmdutil.ExitOK {
		t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
	}

	// The account stays while another project is in it, and goes with the last one.
	o.no(t, cmdutil.ExitRuntime, "is used by other projects too", "project", "rm", "--yes", "--purge", "two")
	if _, stderr := o.ok(t, "removed project two", "project", "rm", "--yes", "two"); !strings.Contains(stderr, "uses it too, and so do the project's streams") {
		t.Errorf("what is left is not said: %s", stderr)
	}
	if account := o.where(t, key); account == "" {
		t.Error("alice does not get in any more")
	}
	o.ok(t, "removed project shop", "project", "rm", "--yes", "--purge", "shop")
	if account := o.where(t, key); account != "" {
		t.Errorf("alice still gets into %q", account)
	}
	if apptest.FileExists(o.Path("keys/project-shop.nk")) {
		t.Error("its key is still there")
	}
	o.no(t, cmdutil.ExitRuntime, "there is no project shop", "project", "rm", "--yes", "--purge", "shop")

	// An import makes accounts, too.
	file := filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, os.WriteFile(file, []byte("users: []\nprojects: [{name: a}, {name: b}, {name: c, account: APP}]\n"), 0o600))
	o.ok(t, "", "directory", "import", "--yes", file)
	stdout, _ := o.ok(t, "", "project", "list", "--json")
	for _, want := range []string{`"name":"a","account":"a"`, `"name":"b","account":"b"`, `"name":"c","account":"APP"`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %s in %s", want, stdout)
		}
	}
}

// accountKey returns the public key of an account of the keyring.
func accountKey(t *testing.T, o *operated, name string) string {
	t.Helper()
	text, err := os.ReadFile(o.Path(setup.FileKeyring))
	callouttest.Must(t, err)
	_, rest, _ := strings.Cut(string(text), "{name: "+name+", public_key: ")
	public, _, _ := strings.Cut(rest, ",")
	return public
}

// publicOfSeed returns the public key of a seed file.
func publicOfSeed(t *testing.T, file string) string {
	t.Helper()
	seed, err := os.ReadFile(file)
	callouttest.Must(t, err)
	kp, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	callouttest.Must(t, err)
	public, err := kp.PublicKey()
	callouttest.Must(t, err)
	return public
}
