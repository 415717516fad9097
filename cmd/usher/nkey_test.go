package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/nkey"
	"usher/internal/secretfile"
	"usher/issuer/keyring"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/app/deployment"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/issuer"
)

// nkeysOf returns the keys that a command of nkey lists.
func nkeysOf(t *testing.T, in installation, verb string) []nkey.KeyInfo {
	t.Helper()
	code, stdout, stderr := usher(t, "nkey", verb, "-c", in.Config(), "--json")
	if code != cmdutil.ExitOK {
		t.Fatalf("%s: exit code %d\n%s%s", verb, code, stdout, stderr)
	}
	var out struct {
		Keys []nkey.KeyInfo `json:"keys"`
	}
	callouttest.Must(t, json.Unmarshal([]byte(stdout), &out))
	return out.Keys
}

// nkeyOf returns the key of a kind and account in a state.
func nkeyOf(t *testing.T, in installation, kind, account string, state issuer.KeyState) string {
	t.Helper()
	for _, k := range nkeysOf(t, in, "list") {
		if k.Kind == kind && k.Account == account && k.State == state {
			return k.PublicKey
		}
	}
	t.Fatalf("no %s %s %s", state, kind, account)
	return ""
}

func (in installation) nkey(t *testing.T, code int, says string, args ...string) string {
	t.Helper()
	got, stdout, stderr := usher(t, append([]string{"nkey", args[0], "-c", in.Config()}, args[1:]...)...)
	if got != code || !strings.Contains(stdout+stderr, says) {
		t.Fatalf("nkey %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, says, stdout, stderr)
	}
	return stdout
}

// TestKeyringHidesSeeds: a seed in place of a file name is not shown.
func TestKeyringHidesSeeds(t *testing.T) {
	t.Parallel()
	seed := callouttest.NewKeys(t).IssuerSeed
	for name, mess := range map[string]func(in installation){
		"in keyring.yaml":         func(in installation) { in.Edit(t, setup.FileKeyring, "file: app.nk", "file: "+seed+".nk") },
		"as the name of a seed":   func(in installation) { in.Write(t, setup.DirKeys+"/"+seed+".nk", seed) },
		"as the name of anything": func(in installation) { in.Write(t, setup.DirKeys+"/"+seed, seed) },
	} {
		in := initialized(t, "--operator")
		mess(in)
		for _, args := range [][]string{{"serve"}, {"check"}, {"nkey", "list"}} {
			code, stdout, stderr := usher(t, append(args, "-c", in.Config())...)
			if says := stdout + stderr; code != cmdutil.ExitConfig || strings.Contains(says, seed[:20]) || !strings.Contains(says, "[looks like a secret]") {
				t.Errorf("%s, %s: exit code %d\n%s", name, args, code, says)
			}
		}
	}
}

// operatorSite is a running installation in operator mode.
func operatorSite(t *testing.T) installation {
	t.Helper()
	in := initialized(t, "--operator")
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	in.serve(t)
	return in
}

// TestNkeyOperator rotates every key of operator mode with a running usher.
func TestNkeyOperator(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, account string
		args          []string
	}{
		{issuer.KindXKey, "", []string{"xkey"}},
		{issuer.KindSigning, setup.AccountCallout, []string{"issuer"}},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			t.Parallel()
			in := operatorSite(t)
			in.nkey(t, cmdutil.ExitOK, "expects callout account AUTH (A", "verify")
			old := nkeyOf(t, in, c.kind, c.account, issuer.StateActive)
			fresh := strings.TrimSpace(in.nkey(t, cmdutil.ExitOK, "", append([]string{"rotate"}, c.args...)...))
			if got := nkeyOf(t, in, c.kind, c.account, issuer.StateActive); got != fresh || got == old {
				t.Errorf("%s is active, %s was said, %s was", got, fresh, old)
			}
			if got := nkeyOf(t, in, c.kind, c.account, issuer.StateRetired); got != old {
				t.Errorf("%s is retired", got)
			}
			if code := in.try(t); code != cmdutil.ExitOK {
				t.Errorf("exit code %d", code)
			}
			for _, k := range nkeysOf(t, in, "status") {
				if k.State != issuer.StateRetired && (k.Live.Of != 1 || k.Live.Ushers != 1 || k.Live.Safe) {
					t.Errorf("%+v %+v", k, k.Live)
				}
				if k.Kind == issuer.KindXKey && k.State == issuer.StateActive && (k.Live.LastHour == 0 || len(k.Live.Servers) != 1) {
					t.Errorf("%+v %+v", k, k.Live)
				}
			}
		})
	}
	t.Run("signing_key, in use", func(t *testing.T) {
		t.Parallel()
		retireInUse(t, operatorSite(t))
	})
	t.Run("no server trusts the operator's key", func(t *testing.T) {
		t.Parallel()
		notTrusted(t, operatorSite(t))
	})
	t.Run("retired at once", func(t *testing.T) {
		t.Parallel()
		in := operatorSite(t)
		in.nkey(t, cmdutil.ExitRuntime, "the key is active", "retire", nkeyOf(t, in, issuer.KindXKey, "", issuer.StateActive))
		in.nkey(t, cmdutil.ExitOK, "", "retire", "--now", nkeyOf(t, in, issuer.KindXKey, "", issuer.StateActive))
		if code := in.try(t); code != cmdutil.ExitOK {
			t.Errorf("exit code %d", code)
		}
		in.nkey(t, cmdutil.ExitRuntime, "no rotation is in progress", "rotate", "--resume")
		in.nkey(t, cmdutil.ExitRuntime, "no active key to replace", "rotate", "--account", "TEAPOT", "signing_key")
		in.nkey(t, cmdutil.ExitUsage, "--account is missing", "rotate", "signing_key")
		in.nkey(t, cmdutil.ExitOK, "pushed APP to usher-nats", "push", "APP")
		in.nkey(t, cmdutil.ExitConfig, "no account TEAPOT", "push", "TEAPOT")
	})
}

// retireInUse: a connection keeps the key of its user JWT, but not one of usher itself.
func retireInUse(t *testing.T, in installation) {
	t.Helper()
	in.nkey(t, cmdutil.ExitOK, "+ nats.signing_keys[(new key)]", "rotate", "--account", "APP", "--dry-run", "signing_key")
	nc, err := nats.Connect(in.URL, nats.Token("alice-key"))
	callouttest.Must(t, err)
	defer nc.Close()
	old := nkeyOf(t, in, issuer.KindSigning, setup.AccountApp, issuer.StateActive)
	in.nkey(t, cmdutil.ExitOK, "", "rotate", "--wait", "1s", "--account", "APP", "signing_key")
	in.nkey(t, cmdutil.ExitDenied, " in APP hold", "retire", "--wait", "1s", old)
	in.nkey(t, cmdutil.ExitOK, "retiring", "status", old)
	nc.Close()
	in.nkey(t, cmdutil.ExitOK, "", "retire", "--wait", "1m", old) // usher's own connection takes the new key
	in.nkey(t, cmdutil.ExitOK, "retired", "status", nkey.Fingerprint(old))
}

// notTrusted: an operator key that the servers do not know yet creates, pushes and
// retires nothing.
func notTrusted(t *testing.T, in installation) {
	t.Helper()
	owner, err := deployment.ReadOperatorSeed(in.Path("operator/keys/operator.nk"), false)
	callouttest.Must(t, err)
	file := in.Path("operator/" + "operator.jwt")
	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	c, err := jwt.DecodeOperatorClaims(strings.TrimSpace(string(text)))
	callouttest.Must(t, err)
	fresh := strings.TrimSpace(in.nkeyNew(t, in.Path("operator/second.nk"), "operator"))
	c.SigningKeys.Add(fresh)
	signed, err := c.Encode(owner)
	callouttest.Must(t, err)
	callouttest.Must(t, secretfile.Write(file, []byte(signed)))
	in.Edit(t, setup.FileConfig, "signing_key_file: operator/signing.nk", "signing_key_file: operator/second.nk")
	const says = "usher-nats does not trust O"
	in.nkey(t, cmdutil.ExitConfig, says, "rotate", "--account", "APP", "signing_key")
	in.nkey(t, cmdutil.ExitConfig, says, "retire", "--now", nkeyOf(t, in, issuer.KindSigning, setup.AccountApp, issuer.StateActive))
	signer, err := deployment.ReadOperatorSeed(in.Path("operator/second.nk"), false)
	callouttest.Must(t, err)
	app := in.Path("operator/accounts/APP.jwt")
	text, err = os.ReadFile(app)
	callouttest.Must(t, err)
	account, err := jwt.DecodeAccountClaims(strings.TrimSpace(string(text)))
	callouttest.Must(t, err)
	signed, err = account.Encode(signer)
	callouttest.Must(t, err)
	callouttest.Must(t, secretfile.Write(app, []byte(signed)))
	in.nkey(t, cmdutil.ExitConfig, says, "push", "APP")
	checkLive(t, in.Config()).finds(t, cmdutil.ExitConfig, "operator", "error", says)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

// nkeyNew creates a key, and returns its public key.
func (in installation) nkeyNew(t *testing.T, file, kind string) string {
	t.Helper()
	code, stdout, stderr := usher(t, "nkey", "new", "--out", file, kind)
	if code != cmdutil.ExitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	return stdout
}

// TestNkeyConfig rotates the issuer of config mode: it restarts the server with the
// printed line.
func TestNkeyConfig(t *testing.T) {
	t.Parallel()
	in := initialized(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	srv := in.NatsServer(t)
	in.nkey(t, cmdutil.ExitRuntime, "hint: start one with usher serve; if none is to run, use --no-usher", "rotate", "issuer")
	in.serve(t)
	old := nkeyOf(t, in, issuer.KindIssuer, "", issuer.StateActive)
	in.nkey(t, cmdutil.ExitRuntime, "hint: change the lines above, restart the servers", "rotate", "--wait", "0s", "issuer")
	in.nkey(t, cmdutil.ExitRuntime, "a rotation is in progress", "rotate", "xkey")
	in.nkey(t, cmdutil.ExitOK, "hint: continue it with usher nkey rotate -c "+in.Config()+" --resume, or undo it with --rollback", "status")
	unlock, err := keyring.Lock(in.Path(setup.DirKeys))
	callouttest.Must(t, err)
	in.nkey(t, cmdutil.ExitOK, "hint: another process runs it now: wait until it ends", "status")
	unlock()
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
	fresh := nkeyOf(t, in, issuer.KindIssuer, "", issuer.StateNext)
	srv.Stop()
	in.Edit(t, setup.FileServerConfig, old, fresh)
	in.NatsServer(t)
	in.nkey(t, cmdutil.ExitOK, fresh, "rotate", "--wait", "30s", "--resume")
	if got := nkeyOf(t, in, issuer.KindIssuer, "", issuer.StateRetired); got != old {
		t.Errorf("%s is retired", got)
	}
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
	in.nkey(t, cmdutil.ExitOK, fresh+", which is in the keyring", "verify")
	in.nkey(t, cmdutil.ExitRuntime, "hint: change the lines above", "rotate", "--wait", "0s", "xkey")
	in.nkey(t, cmdutil.ExitOK, "", "rotate", "--rollback", "--wait", "20s")
	in.nkey(t, cmdutil.ExitUsage, "signing keys of accounts exist in operator mode only", "rotate", "--account", "APP", "signing_key")
	in.nkey(t, cmdutil.ExitConfig, "no account JWTs to push", "push", "APP")
}
