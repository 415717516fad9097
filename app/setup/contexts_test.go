package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/natscontext"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestContexts: the service user connects with its context, before and after the folder was
// moved. The client's context has the key once there is one.
func TestContexts(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]setup.Options{"config": {}, "operator": {Operator: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			before, dir := filepath.Join(parent, "a site"), filepath.Join(parent, "moved")
			o.Dir, o.KV, o.Listen = before, true, "127.0.0.1:4222"
			write(t, o)
			callouttest.Must(t, os.Rename(before, dir))
			_, err := setup.Relocate(dir)
			callouttest.Must(t, err)
			callouttest.Must(t, os.WriteFile(filepath.Join(dir, setup.FileAdminKey), []byte("the key\n"), 0o600))

			service := readContext(t, dir, setup.FileServiceContext)
			options, err := service.Options()
			callouttest.Must(t, err)
			nc, err := nats.Connect(startServer(t, dir).ClientURL(), options...) // the listener of a test has another port
			callouttest.Must(t, err)
			nc.Close()
			client := readContext(t, dir, setup.FileClientContext)
			key, err := client.APIKey()
			if err != nil || key != "the key" || client.InboxPrefix != "_INBOX_admin" || client.Servers() != "nats://127.0.0.1:4222" {
				t.Errorf("%+v, key %q, %v", client, key, err)
			}
		})
	}
}

func readContext(t *testing.T, dir, name string) *natscontext.Context {
	t.Helper()
	x, err := natscontext.Read(filepath.Join(dir, filepath.FromSlash(name)), natscontext.Environment{Getenv: os.Getenv})
	callouttest.Must(t, err)
	return x
}

// TestNoContexts: the nats CLI would replace a variable in the paths.
func TestNoContexts(t *testing.T) {
	t.Parallel()
	for _, f := range write(t, setup.Options{Dir: filepath.Join(t.TempDir(), "$HOME"), Listen: "127.0.0.1:4222"}) {
		if f.Name == setup.FileServiceContext || f.Name == setup.FileClientContext {
			t.Error(f.Name)
		}
	}
}
