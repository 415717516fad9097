package main

import (
	"crypto/rand"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/cmd/usher/remote"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"

	"usher/api"
	"usher/app/explanation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/audit"
	"usher/tokens/apikey"
)

// TestAPIScripts runs testdata/api/*.txt, each against an API of its own: over a
// bucket of a real nats-server, in the clear at $API and with TLS at $API_TLS, whose
// authority is in ca.pem. root.key is the key of root, who is service_admin. $NATS is the
// address of a nats-server.
func TestAPIScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "api", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			key, handlers := startAPI(t)
			natsServer := callouttest.RunServerConfig(t, "listen: 127.0.0.1:-1\n").Addr().String()
			testscript.Run(t, testscript.Params{
				Files: []string{file}, UpdateScripts: *update, RequireExplicitExec: true, Cmds: scriptCommands(),
				Setup: func(env *testscript.Env) error {
					env.Vars = append(env.Vars, "API="+handlers[0].URL, "API_TLS="+handlers[1].URL, "NATS="+natsServer,
						"API_HOST="+handlers[0].Listener.Addr().String(), "API_TLS_HOST="+handlers[1].Listener.Addr().String(),
						"XDG_CONFIG_HOME="+filepath.Join(env.WorkDir, "config"), remote.ContextEnv+"=")
					ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: handlers[1].Certificate().Raw})
					callouttest.Must(t, os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), ca, 0o600))
					callouttest.Must(t, os.WriteFile(filepath.Join(env.WorkDir, "root.key"), []byte(key+"\n"), 0o600))
					return scriptSetup(env)
				},
			})
		})
	}
}

// startAPI starts an API, in the clear and with TLS.
func startAPI(t *testing.T) (rootKey string, servers [2]*httptest.Server) {
	t.Helper()
	store := callouttest.KVStore(t)
	key, err := apikey.New(rand.Reader)
	callouttest.Must(t, err)
	id := directory.IDOf(directory.KindUser, "root")
	_, err = store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.UserKey(id), Value: &directory.User{Name: "root", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin}}},
			{Key: directory.KeyKey(id, "default"), Value: &directory.Key{Digest: directory.DigestOf(key)}},
		}, nil
	})
	callouttest.Must(t, err)
	in := newTestInstance(t).Parts.ExplanationInputs()
	in.Decider = &callout.Decider{Snapshot: store.Snapshot, Ruleset: in.Decider.Ruleset}
	handler, err := api.New(api.Config{
		Store: store, Audit: func(audit.Change) {}, Now: time.Now, Random: rand.Reader, NewID: uuid.NewString,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), DefaultAccount: "APP",
		Explain: func(user, project string) any {
			return explanation.ForUser(in, user, identity.Selection{Project: project})
		},
	})
	callouttest.Must(t, err)
	for i := range servers {
		servers[i] = httptest.NewUnstartedServer(handler)
		servers[i].Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail
		t.Cleanup(servers[i].Close)
	}
	servers[0].Start()
	servers[1].StartTLS()
	return key, servers
}
