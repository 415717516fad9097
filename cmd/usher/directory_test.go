package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestDirectory exports and imports a directory, and imports an AMS whose users keep
// their tokens.
func TestDirectory(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.Edit(t, setup.FileConfig, "  from: kv\n", "  from: embedded\n  store_dir: store\n")
	in.NatsServer(t)
	code, key, stderr := usher(t, "bootstrap", "-c", in.Config())
	if code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	api, stop := in.serveAPI(t)
	defer stop()
	callouttest.Must(t, os.WriteFile(in.Path("key"), []byte(key), 0o600))
	call := func(want int, verb string, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := usher(t, append([]string{"directory", verb, "--server", api, "--key-file", in.Path("key")}, args...)...)
		if code != want {
			t.Fatalf("%s %v: %d\n%s%s", verb, args, code, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, strings.TrimSpace(key)) || strings.Contains(stdout+stderr, strings.Repeat("a0", 32)) {
			t.Fatalf("%s %v says a key", verb, args)
		}
		return stdout, stderr
	}
	says := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %s", got, want)
		}
	}
	first, _ := call(cmdutil.ExitOK, "export")
	_, stderr = call(cmdutil.ExitOK, "export", "--to", in.Path("saved.yaml"))
	says(stderr, "wrote ")
	if saved, err := os.ReadFile(in.Path("saved.yaml")); err != nil || string(saved) != first {
		t.Errorf("%v: %s\nand on stdout %s", err, saved, first)
	}
	_, stderr = call(cmdutil.ExitOK, "import", in.Path("saved.yaml"))
	says(stderr, "changed nothing: the directory is up to date")

	callouttest.Must(t, os.WriteFile(in.Path("more.yaml"), []byte(first+"  - name: carl\nprojects:\n  - {name: shop, account: APP}\n"), 0o600))
	stdout, stderr := call(cmdutil.ExitOK, "import", "--dry-run", in.Path("more.yaml"))
	says(stdout, "+ user carl\n+ project shop (account APP)\n")
	says(stderr, "would change 2 entries: users +1, projects +1")
	_, stderr = call(cmdutil.ExitOK, "import", in.Path("more.yaml"))
	says(stderr, "+ user carl")
	says(stderr, "changed 2 entries")
	_, stderr = call(cmdutil.ExitUsage, "import", "--replace", in.Path("saved.yaml"))
	says(stderr, "- user carl")
	says(stderr, "this removes 1 user, 1 project\nusher: hint: confirm it with --yes")
	stdout, _ = call(cmdutil.ExitOK, "import", "--replace", "--yes", "--json", in.Path("saved.yaml"))
	says(stdout, `"users":{"added":0,"changed":0,"removed":1}`)

	callouttest.Must(t, os.WriteFile(in.Path("bad.yaml"), []byte("users:\n- nam: x\n"), 0o600))
	_, stderr = call(cmdutil.ExitConfig, "import", in.Path("bad.yaml"))
	says(stderr, "bad.yaml:2:3: users[0].nam: unknown key\nusher: hint: did you mean")
	_, stderr = call(cmdutil.ExitUsage, "import")
	says(stderr, "give one FILE or --ams DIR")
	_, stderr = call(cmdutil.ExitUsage, "import", "--account", "p=A", in.Path("saved.yaml"))
	says(stderr, "needs --ams")

	site := filepath.Join("..", "..", "directory", "ams", "testdata", "site")
	_, stderr = call(cmdutil.ExitConfig, "import", "--ams", site)
	says(stderr, `projects.json: projects[0]: project "ARGO" has no NATS account`)
	_, stderr = call(cmdutil.ExitOK, "import", "--ams", site, "--account", "APP", "--account", "ARGO2=LAB")
	says(stderr, `role "register_admin" of user "UserB" skipped`)
	says(stderr, "+ project ARGO2 (account LAB, 1 member)")
	if u := demoAPI(t, &announced{API: api}, strings.Repeat("b1", 32), http.MethodGet, "/v1/users/profile", ``); u["name"] != "UserB" {
		t.Errorf("whose token it is: %v", u)
	}
}
