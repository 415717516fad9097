//go:build unix

package operatormode

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/callout/callouttest"
	"usher/internal/ownedfile"

	"github.com/nats-io/nkeys"
)

// Attack: operator.signing_command is given a script that others can write, and so runs what they choose
// Held by: usher checks who can write the signing program and its files before it runs the program
func TestSigningCommandOfOthers(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "sign")
	callouttest.Must(t, os.WriteFile(script, nil, 0o600))
	callouttest.Must(t, os.Chmod(script, 0o755))
	apptest.Foreign(t, script)
	kp, err := nkeys.CreateOperator()
	callouttest.Must(t, err)
	public, err := kp.PublicKey()
	callouttest.Must(t, err)
	for _, argv := range [][]string{{script}, {"/bin/sh", script}} {
		cfg := &config.Config{Operator: config.Operator{SigningCommand: argv, SigningPublicKey: public, CreateAccounts: true}}
		if _, err := deployment.OperatorKey(cfg); !errors.Is(err, ownedfile.ErrUntrusted) { // of nkey and serve
			t.Errorf("%v: %v", argv, err)
		}
		var f finding.List
		o := Checker{List: &f, Cfg: cfg}
		o.operatorProgram(argv[0])
		if len(f) != 1 || !strings.Contains(f[0].Detail, "another user can write or replace it") || !strings.Contains(f[0].Hint, "ch") {
			t.Errorf("%v, check: %+v", argv, f)
		}
	}
}
