package callout

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/callout/claims"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/tokens"
)

// fuzzNow is the time of every fuzzed request, so that seeds do not expire.
var fuzzNow = time.Unix(1_800_000_000, 0)

// FuzzOpen: for any message the decoder does not panic. A refused message has a code
// that is not answered. An accepted one is signed by the server that it names.
func FuzzOpen(f *testing.F) {
	plain, sealed := fuzzKeyring(f, false), fuzzKeyring(f, true)
	server, curve := fuzzKey(f, nkeys.PrefixByteServer, 1), fuzzKey(f, nkeys.PrefixByteCurve, 1)
	xkey := public(f, curve)

	token := fuzzRequest(f, server, "")
	f.Add([]byte(token), "")
	f.Add([]byte(token), xkey)
	f.Add([]byte(token[:len(token)/2]), "")
	f.Add([]byte(strings.ReplaceAll(token, ".", "..")), "")
	f.Add([]byte("eyJ.eyJ.eyJ"), "")
	f.Add([]byte("eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.AAAA"), "")
	f.Add([]byte("xkv1"), xkey)
	f.Add([]byte(""), "X")
	bound := fuzzRequest(f, server, xkey)
	box, err := curve.Seal([]byte(bound), sealed.XKeys()[0].PublicKey())
	must(f, err)
	f.Add(box, xkey)
	f.Add(box, "")
	f.Add(box[:40], xkey)
	empty, err := curve.Seal(nil, sealed.XKeys()[0].PublicKey())
	must(f, err)
	f.Add(empty, xkey)

	f.Fuzz(func(t *testing.T, data []byte, header string) {
		for _, keys := range []*issuer.Keyring{plain, sealed} {
			req, err := read(data, header, keys)
			if err == nil {
				err = cmp.Or(req.checkTimes(fuzzNow, time.Second), req.authenticate())
			}
			if err == nil {
				if c := req.claims; c.Issuer != c.Server.ID || !nkeys.IsValidPublicServerKey(c.Issuer) {
					t.Errorf("accepted from %q for %q", c.Issuer, c.Server.ID)
				}
				if (req.xkey == nil) != (keys == plain) {
					t.Error("accepted unsealed with an xkey, or sealed without one")
				}
				continue
			}
			var r *refusal
			if !errors.As(err, &r) {
				t.Fatalf("refused without a code: %v", err)
			}
			if o := outcomeOf(r.code); o == Granted || o == Denied {
				t.Errorf("refused with %s, which is %s", r.code, o)
			}
		}
	})
}

// selection matches a user name that selects a project or an account.
var selection = regexp.MustCompile(`(?s)^(?:[^=,]*,)?(?:project|account)=(.*)$`)

// FuzzCredential: the token is one of the fields of the client, unchanged. A selection
// comes from the user name, and is never the token.
func FuzzCredential(f *testing.F) {
	for _, s := range [][4]string{
		{"token", "", "", "127.0.0.1"},
		{"", "user", "password", "::1"},
		{"", "token", "", "fe80::1%eth0"},
		{"token", "project=shop", "token", "::ffff:10.0.0.1"},
		{"", "project=shop", "key", ""},
		{"", "account=APP", "key", "not an address"},
		{"", "project=", "project=", "1.2.3.4:5"},
		{"", "account=*", "", "0"},
		{"", "alice,project=", "key", "0"},
		{"\x00", "project=a.b>", "é", "127.0.0.1"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, token, user, password, host string) {
		request := jwt.NewAuthorizationRequestClaims("A")
		request.ConnectOptions = jwt.ConnectOptions{Token: token, Username: user, Password: password}
		request.ClientInformation.Host = host
		c := claims.Credential(request)
		got := c.Token()
		if !slices.Contains([]string{token, user, password}, got) {
			t.Errorf("token %q is not one of the fields", got)
		}
		if got == "" && (token+password != "" || user != "" && !selection.MatchString(user)) {
			t.Error("a field that is no selection is not empty, but there is no token")
		}
		sel, err := c.Selection()
		if selects := selection.FindStringSubmatch(user); (err != nil) != (got != user && selects != nil && selects[1] == "") {
			t.Errorf("user name %q: %v", user, err)
		}
		if sel.Project != "" && !strings.HasSuffix(user, "project="+sel.Project) || sel.Account != "" && !strings.HasSuffix(user, "account="+sel.Account) {
			t.Errorf("user name %q selects %+v", user, sel)
		}
		if sel.Project+sel.Account != "" && got == user {
			t.Errorf("%q is both token and selection", user)
		}
		if a := c.Addr(); a.IsValid() && (a.Is4In6() || a.Zone() != "") {
			t.Errorf("address %v of %q is not unmapped, or has a zone", a, host)
		}
		redacted := (tokens.Credential{}).String()
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(format, c); !strings.Contains(text, redacted) {
				t.Errorf("%s formats the credential as %q", format, text)
			}
		}
	})
}

// fuzzKey returns the same key in every fuzzing process, so that their findings can
// be reproduced.
func fuzzKey(tb testing.TB, kind nkeys.PrefixByte, n byte) nkeys.KeyPair {
	tb.Helper()
	bits := bytes.NewReader(bytes.Repeat([]byte{n}, 64))
	create := func() (nkeys.KeyPair, error) { return nkeys.CreatePairWithRand(kind, bits) }
	if kind == nkeys.PrefixByteCurve {
		create = func() (nkeys.KeyPair, error) { return nkeys.CreateCurveKeysWithRand(bits) }
	}
	kp, err := create()
	must(tb, err)
	return kp
}

// fuzzRequest returns a valid request. xkey, if not empty, is the server's xkey.
func fuzzRequest(tb testing.TB, server nkeys.KeyPair, xkey string) string {
	tb.Helper()
	c := jwt.NewAuthorizationRequestClaims("A")
	c.Audience, c.UserNkey, c.Expires = requestAudience, public(tb, fuzzKey(tb, nkeys.PrefixByteUser, 1)), fuzzNow.Unix()+2
	c.Server = jwt.ServerID{ID: public(tb, server), XKey: xkey}
	c.Subject = public(tb, fuzzKey(tb, nkeys.PrefixByteAccount, 1))
	token, err := c.Encode(server)
	must(tb, err)
	return token
}

// fuzzKeyring returns a keyring. That of callouttest cannot be used here, because
// callouttest imports this package.
func fuzzKeyring(tb testing.TB, sealed bool) *issuer.Keyring {
	tb.Helper()
	dir := tb.TempDir()
	kinds := map[string]nkeys.PrefixByte{"issuer": nkeys.PrefixByteAccount}
	if sealed {
		kinds["xkey"] = nkeys.PrefixByteCurve
	}
	for name, kind := range kinds {
		seed, err := fuzzKey(tb, kind, 2).Seed()
		must(tb, err)
		must(tb, os.WriteFile(filepath.Join(dir, name+keyring.SeedSuffix), seed, 0o600))
	}
	keys, err := keyring.Load(dir, keyring.Config{})
	must(tb, err)
	return keys
}

func public(tb testing.TB, kp nkeys.KeyPair) string {
	tb.Helper()
	p, err := kp.PublicKey()
	must(tb, err)
	return p
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
