package keyring_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/strictyaml"
	"usher/issuer"
	"usher/issuer/keyring"
)

// Any text is either a state that can be written and read again, or an error with line
// and column. The error contains no seed.
func FuzzParseState(f *testing.F) {
	k := newKeys(f)
	seed, _ := seedOf(f, nkeys.PrefixByteAccount)
	for _, text := range []string{
		"",
		"keys: []",
		"keys:\n  - {kind: issuer, public_key: <A1>, file: a.nk, state: active}\n  - {kind: xkey, public_key: <X1>, file: x.nk, state: next, since: 2026-01-01T00:00:00Z}",
		"accounts:\n  - {name: AUTH, public_key: <A1>}\nkeys:\n  - {kind: signing_key, account: AUTH, scope: s, public_key: <A2>, command: [sign, \"a\\nb\"], state: active}\n" +
			"  - {kind: signing_key, account: AUTH, scope: s, public_key: <A3>, file: b.nk, state: next}\nrotation: {kind: signing_key, account: AUTH, scope: s, old: <A2>, new: <A3>, done: add}",
		"keys: &a [*a]",
		"keys:\n  - {kind: issuer, public_key: " + seed + ", file: a.nk, state: active}",
		"accounts: [{name: \"\\0\", public_key: <A1>}]\nkeys:\n  - state: active\n    command: [\"\", \"\\0\"]",
		"rotation: {}",
		"\xff",
	} {
		f.Add(k.fill(text), true)
		f.Add(k.fill(text), false)
	}
	f.Fuzz(func(t *testing.T, text string, operator bool) {
		cfg := keyring.Config{}
		if operator {
			cfg.Callout = "AUTH"
		}
		s, err := keyring.ParseState(keyring.StateFile, []byte(text), cfg)
		if err != nil {
			var faults strictyaml.Errors
			if !errors.As(err, &faults) || len(faults) == 0 || s != nil {
				t.Fatalf("an error without line and column: %v", err)
			}
			if strings.Contains(err.Error(), seed) {
				t.Fatal("the error contains a seed")
			}
			return
		}
		checkRoundTrip(t, cfg, s)
	})
}

// A state with any names and arguments is either saved unchanged or refused.
func FuzzState(f *testing.F) {
	f.Add("AUTH", "publisher", "sign", "--key=a b", int64(0), true)
	f.Add("null", "~", "sign", "", int64(1), true)
	f.Add("a: b", "- x", "/bin/sign", "line\nline\t\"quoted\" 'single' \\ \u2028 \u0085 \U0001f600", int64(1_800_000_000), true)
	f.Add("0x1f", "1e3", "=", "<<", int64(-1), true)
	f.Add("\xff", "\x00", "\x7f", "\ufeff", int64(1)<<60, true)
	f.Add("#", "!!int 3", "&a", "*a", int64(253402300800), false)
	f.Add("{{name()}}", "%YAML 1.1", "---", "...", int64(5), true)
	_, a := seedOf(f, nkeys.PrefixByteAccount)
	_, b := seedOf(f, nkeys.PrefixByteAccount)
	_, c := seedOf(f, nkeys.PrefixByteAccount)
	_, d := seedOf(f, nkeys.PrefixByteAccount)
	f.Fuzz(func(t *testing.T, name, scope, program, argument string, seconds int64, rotates bool) {
		since := time.Unix(seconds, 0).UTC()
		s := &keyring.State{
			Accounts: []issuer.Account{{Name: name, PublicKey: a}},
			Keys: []keyring.Entry{
				{PublicKey: b, Kind: issuer.KindSigning, Account: name, Scope: scope, Command: []string{program, argument, program}, State: issuer.StateActive, Since: since},
				{PublicKey: c, Kind: issuer.KindSigning, Account: name, Scope: scope, State: issuer.StateRetired, File: program + ".nk"},
			},
		}
		if scope != "" { // the keyring needs a key that signs responses
			s.Keys = append(s.Keys, keyring.Entry{PublicKey: d, Kind: issuer.KindSigning, Account: name, Command: []string{"sign"}, State: issuer.StateActive})
		}
		if rotates {
			s.Rotation = &keyring.Rotation{Kind: issuer.KindSigning, Account: name, Scope: scope, Old: b, New: c, Started: since}
		}
		dir := t.TempDir()
		cfg := keyring.Config{Callout: name}
		if name == "" || keyring.Save(dir, cfg, s) != nil {
			return
		}
		got, err := keyring.ReadState(dir, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("got  %+v\nwant %+v", got, s)
		}
	})
}

// checkRoundTrip checks that a parsed state can be written and parses to the same state.
func checkRoundTrip(t *testing.T, cfg keyring.Config, s *keyring.State) {
	t.Helper()
	for i := range s.Keys {
		s.Keys[i].Since = s.Keys[i].Since.UTC().Truncate(time.Second)
	}
	if s.Rotation != nil {
		s.Rotation.Started = s.Rotation.Started.UTC().Truncate(time.Second)
	}
	text, err := keyring.Encode(keyring.StateFile, cfg, s)
	if err != nil {
		t.Fatalf("a parsed state cannot be written: %v", err)
	}
	got, err := keyring.ParseState(keyring.StateFile, text, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Fatalf("got  %+v\nwant %+v", got, s)
	}
}
