package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// secretsOfEveryShape are invented secrets in all formats.
func secretsOfEveryShape() []string {
	return []string{
		"usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI-_",
		"5f2a90c1e7b34d86a1c0f9d27be8430516de72f4890ab3c5d1e6f7082b4c9da3",
		"SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlc2lnbmF0dXJl",
	}
}

var yamlKey = regexp.MustCompile(`(?m)^( *)#?( *)(- |\{)?([a-z_]+):(.*)$`)

// spoilt returns variants of a YAML text: for every key, commented ones too, with a
// secret as the value, in the value, and instead of the key.
func spoilt(text, secret string) []string {
	lines := strings.Split(text, "\n")
	var all []string
	for i, line := range lines {
		m := yamlKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		indent := m[1] + m[2]
		head := append([]string(nil), lines[:i]...)
		for at, need := i-1, len(indent); at >= 0; at-- { // the sections that it stands in
			if s := yamlKey.FindStringSubmatch(lines[at]); s != nil && len(s[1]+s[2]) < need && strings.TrimSpace(s[5]) == "" {
				head[at] = s[1] + s[2] + s[3] + s[4] + ":"
				need = len(s[1] + s[2])
			}
		}
		for _, put := range []string{
			m[4] + ": " + secret, m[4] + `: "x/` + secret + `"`, m[4] + ": [" + secret + "]", m[4] + ": {" + secret + ": 1}", secret + ": 1", "? " + secret,
		} {
			changed := append(append([]string(nil), head...), indent+strings.Replace(m[3], "{", "", 1)+put)
			all = append(all, strings.Join(append(changed, lines[i+1:]...), "\n"))
		}
	}
	return all
}

// No command shows a key, wherever it is in a file or on the command line.
//
// Attack: check, explain, serve or try shows a key that is in the wrong place of a file, a name or an option
// Held by: one function redacts what looks like a key in findings, errors, hints and the log
func TestNoSecretFromAnyFile(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	text := func(name string) string {
		b, err := os.ReadFile(in.Path(name))
		callouttest.Must(t, err)
		return string(b)
	}
	good := map[string]string{
		setup.FileConfig: text(setup.FileConfig), setup.FileDirectory: aliceDirectory(),
		"keys/keyring.yaml": "keys:\n  - key: AB\n    kind: issuer\n    file: issuer.nk\n    command: [x]\n    state: active\n    since: 2026-01-01T00:00:00Z\nrotation:\n  kind: issuer\n  old: x\n  new: y\n  done: add\n",
	}
	in.Write(t, setup.FileDirectory, good[setup.FileDirectory])
	tried := 0
	silent := func(secret string, args ...string) {
		t.Helper()
		tried++
		_, stdout, stderr := usher(t, args...)
		for _, part := range []string{secret, secret[:len(secret)-8], secret[8:]} {
			if strings.Contains(stdout+stderr, part) {
				t.Errorf("%v shows it:\n%s%s", args[0], stdout, stderr)
				return
			}
		}
	}
	secrets := secretsOfEveryShape()
	for s, secret := range secrets {
		for name, whole := range good {
			for n, changed := range spoilt(whole, secret) {
				if n%len(secrets) != s {
					continue // one of them for each place
				}
				in.Write(t, name, changed)
				args := [][]string{{"check", "--offline", "-c", in.Config()}, {"check", "--offline", "--json", "-c", in.Config()}, {"explain", "-c", in.Config(), "--token-file", in.Path(setup.FilePassword)}}
				silent(secret, args[n/len(secrets)%len(args)]...)
			}
			if name == "keys/keyring.yaml" {
				callouttest.Must(t, os.Remove(in.Path(name)))
			} else {
				in.Write(t, name, whole)
			}
		}
		// The names of files.
		stray := filepath.Join(in.Dir, setup.DirKeys, secret+".nk")
		callouttest.Must(t, os.WriteFile(stray, []byte(secret), 0o600))
		silent(secret, "check", "--offline", "-c", in.Config())
		callouttest.Must(t, os.Remove(stray))
		in.Write(t, "keys/a.nk", secret+secret)
		silent(secret, "check", "--offline", "-c", in.Config())
		callouttest.Must(t, os.Remove(in.Path("keys/a.nk")))
		in.Write(t, "token", secret)

		// What stands on the command line, and in a token's place.
		for _, args := range [][]string{
			{secret},
			{"check", "-c", secret},
			{"check", "--" + secret},
			{"check", "-c", in.Config(), secret},
			{"serve", "-c", in.Path(secret)},
			{"explain", "-c", in.Config(), "--token-file", secret},
			{"explain", "-c", in.Config(), "--token-file", in.Path("token"), "--user", "project=" + secret},
			{"explain", "-c", in.Config(), "--token-file", in.token(t, "alice-key"), "--user", "project=" + secret},
			{"explain", "-c", in.Config(), "--token-file", in.token(t, "alice-key"), "--user", "account=" + secret, "--json"},
			{"explain", "-c", in.Config(), "--token-file", in.token(t, "alice-key"), "--host", secret},
			{"try", "publish", "-s", secret, "--token-file", in.Path("token"), "a", "b"},
			{"try", "publish", "-s", "nats://127.0.0.1:1", "--token-file", secret, "a", "b"},
			{"init", "--listen", secret, in.Path("new")},
			{"init", "--http", secret, in.Path("new")},
			{"init", in.Path(secret)},
			{"init", "--kv", in.Path(secret + "/x")},
			{"nkey", "new", "--out", in.Path("of-" + secret), "account"},
			{"user", "list", "--server", secret},
			{"user", "list", "--server", "https://h.example", "--key-file", secret},
			{"user", "add", "--server", "http://127.0.0.1:1", "--key-file", in.Path("token"), secret},
			{"apikey", "new", "--user", secret + "!"},
			{"nkey", "new", "--out", in.Path("seed"), secret},
			{"context", "show", secret},
			{"directory", "convert", secret},
		} {
			silent(secret, args...)
		}
	}
	if tried < 500 {
		t.Errorf("%d commands: the files have hardly any keys in them", tried)
	}
}
