package keyring_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/internal/strictyaml"
	"usher/issuer"
	"usher/issuer/keyring"
)

// keys are the public keys for the placeholders <A1>, <A2>, … and <X1> in tests.
type keys map[string]string

func newKeys(tb testing.TB) keys {
	tb.Helper()
	k := keys{}
	for _, name := range []string{"A1", "A2", "A3", "A4"} {
		_, k[name] = seedOf(tb, nkeys.PrefixByteAccount)
	}
	_, k["X1"] = seedOf(tb, nkeys.PrefixByteCurve)
	_, k["U1"] = seedOf(tb, nkeys.PrefixByteUser)
	return k
}

// fill replaces the placeholders in a text by keys.
func (k keys) fill(text string) string {
	for name, public := range k {
		text = strings.ReplaceAll(text, "<"+name+">", public)
	}
	return text
}

// hide replaces the keys in a text by placeholders.
func (k keys) hide(text string) string {
	for name, public := range k {
		text = strings.ReplaceAll(text, public, "<"+name+">")
		text = strings.ReplaceAll(text, public[:12]+"…", "<"+name+">…")
	}
	return text
}

const (
	signing = "accounts:\n  - {name: APP, public_key: <A1>}\nkeys:\n"
	app     = "kind: signing_key, public_key: <A2>, account: APP"
)

// Each fault of a keyring.yaml has a line, a column, a path and, if possible, a hint.
func TestStateFaults(t *testing.T) {
	tests := []struct {
		name, mode, text string
		want             []string
	}{
		{"an unknown key", "config", "key: []", []string{`1:1: key: unknown key (did you mean "keys"?)`}},
		{"an empty file", "config", "", []string{"1:1: keys: has no keys (list the keys of this directory)"}},
		{"a comment only", "config", "# keys:\n", []string{"1:1: keys: has no keys (list the keys of this directory)"}},
		{"no keys", "config", "keys: []\n", []string{"1:1: keys: has no keys (list the keys of this directory)"}},
		{"keys cut off", "config", "keys:\n", []string{"1:1: keys: expected a list of mappings, found null (leave the key out, or write [] or {} for an empty one)"}},
		{
			"a seed in place of its file", "config", "keys:\n  - {kind: issuer, public_key: <A1>, state: active, file: <SEED>.nk}",
			[]string{"2:*: keys[0].file: [looks like a secret] is not a name (replace that secret, since it stood in a file)"},
		},
		{
			"a seed in place of account and scope", "operator",
			signing + "  - {kind: signing_key, public_key: <A2>, account: <SEED>, scope: <SEED>, file: a.nk, state: active}",
			[]string{
				"4:*: keys[0].account: account [looks like a secret] is not listed (add it to accounts, with its public key)",
				"4:*: keys[0].scope: [looks like a secret] is not a name (replace that secret, since it stood in a file)",
			},
		},
		{
			"a seed in place of the name of an account", "operator",
			"accounts:\n  - {name: APP, public_key: <A1>}\n  - {name: <SEED>, public_key: <A3>}\nkeys:\n  - {" + app + ", file: a.nk, state: active}",
			[]string{"3:*: accounts[1].name: [looks like a secret] is not a name (replace that secret, since it stood in a file)"},
		},
		{"no kind", "config", "keys:\n  - {public_key: <A1>, state: active, file: a.nk}", []string{"2:5: keys[0].kind: is missing ()"}},
		{
			"a kind that is none", "config", "keys:\n  - {kind: operator, public_key: <A1>, state: active, file: a.nk}",
			[]string{`2:12: keys[0].kind: "operator" is not a kind of key in config mode (issuer or xkey in config mode (nats.mode))`},
		},
		{
			"a kind of the other mode", "operator", signing + "  - {kind: issuer, public_key: <A2>, state: active, file: a.nk}",
			[]string{`4:12: keys[0].kind: "issuer" is not a kind of key in operator mode (signing_key or xkey in operator mode)`},
		},
		{
			"accounts in config mode", "config", "accounts:\n  - {name: APP, public_key: <A1>}\nkeys:\n  - {kind: issuer, public_key: <A2>, state: active, file: a.nk}",
			[]string{"1:1: accounts: accounts are for operator mode (set nats.mode: operator in the configuration, or remove accounts)"},
		},
		{
			"an account twice", "operator", "accounts:\n  - {name: APP, public_key: <A1>}\n  - {name: APP, public_key: <A1>}\nkeys:\n  - {" + app + ", file: a.nk, state: active}",
			[]string{`3:12: accounts[1].name: account "APP" is listed twice ()`, "3:29: accounts[1].public_key: the same key as in accounts[0].public_key ()"},
		},
		{"a state that is none", "operator", signing + "  - {" + app + ", file: a.nk, state: old}", []string{`4:*: keys[0].state: "old" is not a state (next, active, retiring or retired)`}},
		{"the key of a user", "config", "keys:\n  - {kind: issuer, public_key: <U1>, state: active, file: a.nk}", []string{`2:*: keys[0].public_key: "<U1>…" is not a public account key ()`}},
		{"an xkey that signs", "config", "keys:\n  - {kind: issuer, public_key: <X1>, state: active, file: a.nk}", []string{`2:*: keys[0].public_key: "<X1>…" is not a public account key ()`}},
		{"an account as xkey", "config", "keys:\n  - {kind: xkey, public_key: <A1>, state: active, file: a.nk}", []string{`2:*: keys[0].public_key: "<A1>…" is not a public x25519 key ()`}},
		{
			"a seed in place of its public key", "config", "keys:\n  - {kind: issuer, public_key: <SEED>, state: active, file: a.nk}",
			[]string{`2:*: keys[0].public_key: [looks like a secret] is not a public account key (replace that secret, since it stood in a file)`},
		},
		{
			"a key of another length", "config", "keys:\n  - {kind: issuer, public_key: <LONG>, state: active, file: a.nk}",
			[]string{`2:*: keys[0].public_key: "<LONG>…" is not a public account key ()`},
		},
		{
			"one key twice", "config", "keys:\n  - {kind: issuer, public_key: <A1>, state: active, file: a.nk}\n  - {kind: issuer, public_key: <A1>, state: next, file: b.nk}",
			[]string{"3:*: keys[1].public_key: the same key as in keys[0].public_key ()"},
		},
		{
			"an account's own key as its signing key", "operator", signing + "  - {kind: signing_key, public_key: <A1>, account: APP, file: a.nk, state: active}",
			[]string{"4:*: keys[0].public_key: the same key as in accounts[0].public_key (this is the account's own key: use a signing key of the account)"},
		},
		{"no account", "operator", signing + "  - {kind: signing_key, public_key: <A2>, file: a.nk, state: active}", []string{"4:5: keys[0]: a signing key needs an account (set account to one of accounts)"}},
		{
			"an account that is not known", "operator", signing + "  - {kind: signing_key, public_key: <A2>, account: OTHER, file: a.nk, state: active}",
			[]string{`4:*: keys[0].account: account "OTHER" is not listed (add it to accounts, with its public key)`},
		},
		{
			"an issuer with account and scope", "config", "keys:\n  - {kind: issuer, public_key: <A1>, account: APP, scope: publisher, state: active, file: a.nk}",
			[]string{"2:*: keys[0].account: only signing keys of operator mode have an account ()"},
		},
		{
			"an xkey with a scope", "operator", signing + "  - {kind: xkey, public_key: <X1>, scope: publisher, state: active, file: a.nk}",
			[]string{"4:*: keys[0].scope: only signing keys of operator mode have a scope ()"},
		},
		{"neither file nor command", "operator", signing + "  - {" + app + ", state: active}", []string{
			"4:5: keys[0]: has neither file nor command (set file to the seed file in this directory, or command to a program that signs)",
		}},
		{"both file and command", "operator", signing + "  - {" + app + ", state: active, file: a.nk, command: [sign]}", []string{"4:*: keys[0].command: file and command exclude each other (remove one of them)"}},
		{
			"an xkey elsewhere", "config", "keys:\n  - {kind: xkey, public_key: <X1>, state: active, command: [open]}",
			[]string{"2:*: keys[0].command: an xkey cannot use a program: usher decrypts with it (put the seed into the directory, and set file)"},
		},
		{"an empty command", "operator", signing + "  - {" + app + ", state: active, command: []}", []string{"4:*: keys[0].command: must not be empty (leave the key out, or give it a value)"}},
		{"a relative path to a program", "operator", signing + "  - {" + app + ", state: active, command: [./sign, x]}", []string{
			"4:*: keys[0].command: neither an absolute path nor a bare program name (use the absolute path of the program, or its bare name if it is in PATH)",
		}},
		{"no program", "operator", signing + `  - {` + app + `, state: active, command: ["", x]}`, []string{
			"4:*: keys[0].command: names no program (use the absolute path of the program, or its bare name if it is in PATH)",
		}},
		{"a file elsewhere", "operator", signing + "  - {" + app + ", state: active, file: ../a.nk}", []string{"4:*: keys[0].file: is not the name of a *.nk file in this directory ()"}},
		{"a hidden file", "operator", signing + "  - {" + app + ", state: active, file: .a.nk}", []string{"4:*: keys[0].file: is not the name of a *.nk file in this directory ()"}},
		{"a file called otherwise", "operator", signing + "  - {" + app + ", state: active, file: a.seed}", []string{"4:*: keys[0].file: is not the name of a *.nk file in this directory ()"}},
		{
			"one file twice", "config", "keys:\n  - {kind: issuer, public_key: <A1>, state: active, file: a.nk}\n  - {kind: issuer, public_key: <A2>, state: next, file: a.nk}",
			[]string{"3:*: keys[1].file: the same file as in keys[0] ()"},
		},
		{
			"two active keys for one place", "operator", signing + "  - {" + app + ", state: active, file: a.nk}\n  - {kind: signing_key, public_key: <A3>, account: APP, state: active, file: b.nk}",
			[]string{"5:*: keys[1].state: keys[0] is active for the same account and scope (set one of them to next or retiring)"},
		},
		{
			"a rotation of a key that is not there", "operator", signing + "  - {" + app + ", state: active, file: a.nk}\nrotation: {kind: signing_key, account: APP, old: <A2>, new: <A3>}",
			[]string{`5:*: rotation.new: "<A3>…" is not among keys ()`},
		},
		{
			"a rotation of an account", "operator", signing + "  - {" + app + ", state: active, file: a.nk}\nrotation: {kind: signing_key, account: APP, old: <A1>, new: <A2>}",
			[]string{`5:*: rotation.old: "<A1>…" is not among keys ()`},
		},
		{
			"a rotation of something else", "operator", signing + "  - {" + app + ", state: active, file: a.nk}\n  - {kind: xkey, public_key: <X1>, state: next, file: x.nk}\nrotation: {kind: signing_key, account: APP, old: <A2>, new: <X1>}",
			[]string{"6:*: rotation.new: has another kind, account or scope than the rotation (both keys must have the kind, account and scope of the rotation)"},
		},
		{
			"a rotation onto itself", "operator", signing + "  - {" + app + ", state: active, file: a.nk}\nrotation: {kind: signing_key, account: APP, old: <A2>, new: <A2>}",
			[]string{"5:*: rotation.new: is the same key as rotation.old ()"},
		},
		{
			"a step that is none", "config", "keys:\n  - {kind: issuer, public_key: <A1>, state: active, file: a.nk}\n  - {kind: issuer, public_key: <A2>, state: next, file: b.nk}\nrotation: {kind: issuer, old: <A1>, new: <A2>, done: half}",
			[]string{`4:*: rotation.done: "half" is not a step (add, announce, switch or retire)`},
		},
	}
	k := newKeys(t)
	seed, _ := seedOf(t, nkeys.PrefixByteAccount)
	long, err := nkeys.Encode(nkeys.PrefixByteAccount, make([]byte, 33))
	must(t, err)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k["SEED"], k["LONG"] = seed, string(long)
			defer func() { delete(k, "SEED"); delete(k, "LONG") }()
			cfg := keyring.Config{}
			if tt.mode == "operator" {
				cfg.Callout = "APP"
			}
			s, err := keyring.ParseState("dir/keyring.yaml", []byte(k.fill(tt.text)), cfg)
			var faults strictyaml.Errors
			if s != nil || !errors.As(err, &faults) {
				t.Fatalf("got %v, %v", s, err)
			}
			var got []string
			for _, f := range faults {
				if f.File != "dir/keyring.yaml" {
					t.Errorf("in %s", f.File)
				}
				got = append(got, k.hide(fmt.Sprintf("%d:%d: %s: %s (%s)", f.Line, f.Column, f.Path, f.Message, f.Hint)))
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			for i, want := range tt.want {
				line, rest, anyColumn := strings.Cut(want, ":*: ")
				fits := got[i] == want
				if anyColumn {
					fits = strings.HasPrefix(got[i], line+":") && strings.HasSuffix(got[i], ": "+rest)
				}
				if !fits {
					t.Errorf("got  %s\nwant %s", got[i], want)
				}
			}
		})
	}
}

// keyring.yaml must list the accounts that the configuration names. It lists each
// account once, so they have no second name.
func TestStateKnowsAccounts(t *testing.T) {
	k, cfg := newKeys(t), keyring.Config{Callout: "AUTH", System: "SYS"}
	const (
		key     = "keys:\n  - {kind: signing_key, public_key: <A4>, account: AUTH, command: [sign], state: active}\n"
		auth    = "  - {name: AUTH, public_key: <A1>}\n"
		missing = `keyring.yaml:1:1: accounts: the system account "SYS" (accounts.system in the configuration) is not listed`
		hint    = "\n  hint: add it, with its public key"
	)
	for _, tt := range []struct{ name, accounts, want string }{
		{"both", auth + "  - {name: SYS, public_key: <A2>}\n", ""},
		{"no system account", auth, missing + hint},
		{"the system account under another name", auth + "  - {name: OPS, public_key: <A2>}\n", missing + hint},
		{
			"under two names", auth + "  - {name: SYS, public_key: <A2>}\n  - {name: OPS, public_key: <A2>}\n",
			"keyring.yaml:4:29: accounts[2].public_key: the same key as in accounts[1].public_key",
		},
		{"the callout account as system account", auth + "  - {name: SYS, public_key: <A1>}\n", "keyring.yaml:3:29: accounts[1].public_key: the same key as in accounts[0].public_key"},
	} {
		_, err := keyring.ParseState("keyring.yaml", []byte(k.fill("accounts:\n"+tt.accounts+key)), cfg)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	_, err := keyring.ParseState("keyring.yaml", []byte(k.fill("keys:\n  - {kind: xkey, public_key: <X1>, file: x.nk, state: active}\n")), cfg)
	var faults strictyaml.Errors
	if !errors.As(err, &faults) || len(faults) != 2 || !strings.Contains(err.Error(), `the callout account "AUTH"`) {
		t.Errorf("neither is there: got %v", err)
	}
}

// keyring.yaml and the seed files must match.
func TestStateAgainstSeeds(t *testing.T) {
	seed1, public1 := seedOf(t, nkeys.PrefixByteAccount)
	seed2, public2 := seedOf(t, nkeys.PrefixByteAccount)
	entry := func(public, rest string) string {
		return fmt.Sprintf("  - {kind: issuer, public_key: %s, %s}\n", public, rest)
	}
	tests := []struct {
		name, state string
		seeds       map[string]string
		want        string // in the error; empty: it loads
		signs       []string
	}{
		{"a seed that is listed", entry(public1, "file: a.nk, state: active"), map[string]string{"a.nk": seed1}, "", []string{public1}},
		{"a seed that is not listed", "", map[string]string{"a.nk": seed1}, "", []string{public1}},
		{"one that is listed, and one that is not", entry(public1, "file: a.nk, state: retiring"), map[string]string{"a.nk": seed1, "b.nk": seed2}, "", []string{public1, public2}},
		{"an entry without its file", entry(public1, "file: a.nk, state: active"), map[string]string{"b.nk": seed2}, "keyring.yaml: key " + public1 + ": its seed file a.nk does not exist", nil},
		{"the seed of another key", entry(public1, "file: a.nk, state: active"), map[string]string{"a.nk": seed2}, "keyring.yaml: key " + public1 + ": a.nk has the seed of " + public2, nil},
		{"a retired key without its file", entry(public1, "file: a.nk, state: retired") + entry(public2, "file: b.nk, state: active"), map[string]string{"b.nk": seed2}, "", []string{public2}},
		{"a retired key with its file", entry(public1, "file: a.nk, state: retired") + entry(public2, "file: b.nk, state: active"), map[string]string{"a.nk": seed1, "b.nk": seed2}, "", []string{public2}},
		{"a retired key under another name", entry(public1, "file: a.nk, state: retired") + entry(public2, "file: b.nk, state: active"), map[string]string{"c.nk": seed1, "b.nk": seed2}, "c.nk: the same key as in ", nil},
		{"the seed of a key that a program signs for", entry(public1, "command: [sign], state: active"), map[string]string{"a.nk": seed1}, "a.nk: the same key as in ", nil},
		{"a program alone", entry(public1, "command: [sign], state: active"), nil, "", []string{public1}},
		{"nothing but what is retired", entry(public1, "state: retired"), nil, "holds no issuer seed", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, seed := range tt.seeds {
				writeFile(t, filepath.Join(dir, name), seed, 0o600)
			}
			if tt.state != "" {
				writeFile(t, filepath.Join(dir, keyring.StateFile), "keys:\n"+tt.state, 0o600)
			}
			k, err := keyring.Load(dir, keyring.Config{})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.HasSuffix(err.Error(), " ") {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			must(t, err)
			if len(k.Expected()) != len(tt.signs) {
				t.Errorf("expected keys are %q", k.Expected())
			}
			for _, public := range tt.signs {
				if _, ok := k.For(public); !ok {
					t.Errorf("For(%s) finds no key", public)
				}
			}
		})
	}
}

// In operator mode an unlisted account seed is not used, because its account is unknown.
func TestUnlistedSeedsOfOperatorMode(t *testing.T) {
	k, dir := newKeys(t), t.TempDir()
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	other, unlisted := seedOf(t, nkeys.PrefixByteAccount)
	curve, x := seedOf(t, nkeys.PrefixByteCurve)
	writeFile(t, filepath.Join(dir, "auth.nk"), seed, 0o600)
	writeFile(t, filepath.Join(dir, "more.nk"), other, 0o600)
	writeFile(t, filepath.Join(dir, "x.nk"), curve, 0o600)
	writeFile(t, filepath.Join(dir, keyring.StateFile), k.fill(
		"accounts:\n  - {name: AUTH, public_key: <A1>}\nkeys:\n  - {kind: signing_key, account: AUTH, file: auth.nk, state: active, public_key: "+public+"}\n"), 0o600)
	ring, err := keyring.Load(dir, keyring.Config{Callout: "AUTH"})
	must(t, err)
	want := map[string]issuer.KeyState{public: issuer.StateActive, unlisted: issuer.StateNext, x: issuer.StateActive}
	for _, key := range ring.Keys() {
		if key.State != want[key.PublicKey] {
			t.Errorf("%s %s is %s", key.Kind, key.PublicKey, key.State)
		}
		delete(want, key.PublicKey)
	}
	if len(want) > 0 || len(ring.XKeys()) != 1 || ring.Oldest().PublicKey() != public {
		t.Errorf("missing %v, xkeys %v, oldest %s", want, ring.XKeys(), ring.Oldest().PublicKey())
	}

	// The unlisted account seed is not part of the state, and the state can be saved.
	cfg := keyring.Config{Callout: "AUTH"}
	s, err := keyring.ReadState(dir, cfg)
	must(t, err)
	if len(s.Keys) != 2 || s.Entry(unlisted) != nil || s.Entry(public).Unlisted || !s.Entry(x).Unlisted {
		t.Errorf("state %+v", s.Keys)
	}
	must(t, keyring.Save(dir, cfg, s))
	s, err = keyring.ReadState(dir, cfg)
	must(t, err)
	if s.Entry(x).Unlisted {
		t.Error("the saved xkey is unlisted")
	}
}

// In config mode a seed is unlisted if keyring.yaml exists and does not list it.
func TestUnlistedSeedsOfConfigMode(t *testing.T) {
	dir := t.TempDir()
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	other, more := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seed, 0o600)
	writeFile(t, filepath.Join(dir, "b.nk"), other, 0o600)
	unlisted := func(want ...string) {
		t.Helper()
		s, err := keyring.ReadState(dir, keyring.Config{})
		must(t, err)
		var got []string
		for _, e := range s.Keys {
			if e.State != issuer.StateActive {
				t.Errorf("%s is %s", e.PublicKey, e.State)
			}
			if e.Unlisted {
				got = append(got, e.PublicKey)
			}
		}
		if len(s.Keys) != 2 || !slices.Equal(got, want) {
			t.Errorf("unlisted %q, want %q of %+v", got, want, s.Keys)
		}
	}
	unlisted()
	writeFile(t, filepath.Join(dir, keyring.StateFile), "keys:\n  - {kind: issuer, public_key: "+public+", file: a.nk, state: active}\n", 0o600)
	unlisted(more)
}

// The file modes of keyring.yaml and its directory.
func TestStateModes(t *testing.T) {
	_, public := seedOf(t, nkeys.PrefixByteAccount)
	text := func(rest string) string {
		return "keys:\n  - {kind: issuer, public_key: " + public + ", state: active, " + rest + "}\n"
	}
	for _, tt := range []struct {
		mode         os.FileMode
		alone, group bool // admitted without and with AllowGroup
	}{
		{0o400, true, true},
		{0o600, true, true},
		{0o640, false, true},
		{0o660, false, false},
		{0o604, false, false},
		{0o602, false, false},
		{0o666, false, false},
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, keyring.StateFile), text("command: [sign]"), tt.mode)
		for allowGroup, ok := range map[bool]bool{false: tt.alone, true: tt.group} {
			_, err := keyring.Load(dir, keyring.Config{AllowGroup: allowGroup})
			if ok && err != nil || !ok && !errors.Is(err, ownedfile.ErrReadable) {
				t.Errorf("mode %04o, AllowGroup %v: got %v", tt.mode, allowGroup, err)
			}
		}
	}
	// A user who can write to the directory can replace keyring.yaml or add a seed. A
	// mounted secret is in a sticky directory.
	dir := t.TempDir()
	path := filepath.Join(dir, keyring.StateFile)
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o777: false, 0o702: false, 0o777 | os.ModeSticky: true} {
		writeFile(t, path, text("command: [sign]"), 0o600)
		must(t, os.Chmod(dir, mode))
		if _, err := keyring.Load(dir, keyring.Config{}); ok && err != nil || !ok && !errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("directory of mode %v: got %v", mode, err)
		}
		writeFile(t, path, "keys: []\n", 0o600)
		if _, err := keyring.Load(dir, keyring.Config{}); errors.Is(err, ownedfile.ErrUntrusted) == ok {
			t.Errorf("directory of mode %v, no program: got %v", mode, err)
		}
	}
}
