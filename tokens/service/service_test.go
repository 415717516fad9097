package service_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/tokens"
	"usher/tokens/health"
	"usher/tokens/selfsigned"
	"usher/tokens/service"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// newKeyring returns the keyring of a replica with a new key.
func newKeyring(t *testing.T) *issuer.Keyring {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	must(t, err)
	seed, err := kp.Seed()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"+keyring.SeedSuffix), seed, 0o600))
	k, err := keyring.Load(dir, keyring.Config{})
	must(t, err)
	return k
}

func newSnapshot(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.New(directory.Records{Projects: []directory.Project{{Name: "shop", Account: "APP"}}})
	must(t, err)
	return s
}

func verify(t *testing.T, k *issuer.Keyring, s *snapshot.Snapshot, at time.Time, token string) (identity.Identity, error) {
	t.Helper()
	v := service.NewVerifier(func() *issuer.Keyring { return k }, func() *snapshot.Snapshot { return s }, func() time.Time { return at })
	id, _, err := tokens.Chain{v}.Verify(t.Context(), &tokens.Credential{AuthToken: token, User: "account=OTHER"}, nil)
	return id, err
}

func code(err error) string {
	var r *tokens.Reason
	if errors.As(err, &r) && errors.Is(err, tokens.ErrRejected) {
		return r.Code
	}
	return ""
}

func TestToken(t *testing.T) {
	k, s := newKeyring(t), newSnapshot(t)
	token, err := service.New(t.Context(), k.Oldest(), rand.Reader, now, "APP")
	must(t, err)
	id, err := verify(t, k, s, now, token)
	must(t, err)
	if id.Name != service.UserName || id.Authority != identity.AuthorityUsher || id.Method != identity.MethodService ||
		!id.NotAfter.Equal(now.Add(service.Lifetime)) || id.Selection != (identity.Selection{Account: "APP"}) {
		t.Errorf("got %+v", id)
	}
	if _, err := verify(t, k, s, now.Add(service.Lifetime), token); code(err) != service.CodeInvalid {
		t.Errorf("at its end: %v", err)
	}
	if _, err := verify(t, newKeyring(t), s, now, token); code(err) != service.CodeInvalid {
		t.Errorf("with another keyring: %v", err)
	}
	if _, err := verify(t, k, nil, now, token); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("without a directory: %v", err)
	}
	for _, other := range []string{"", "x", " " + token, strings.ToLower(token), token[1:]} {
		if _, err := verify(t, k, s, now, other); !errors.Is(err, tokens.ErrNotApplicable) {
			t.Errorf("%q: %v", other, err)
		}
	}
	if _, err := service.New(t.Context(), k.Oldest(), iotest.ErrReader(errors.New("none")), now, "APP"); err == nil {
		t.Error("without randomness")
	}
	if _, err := service.New(t.Context(), k.Oldest(), rand.Reader, now, strings.Repeat("A", selfsigned.MaxText+1)); err == nil {
		t.Error("with a text that is too long")
	}
}

// A token of usher's own connections is good for one account in which a project lives. Who
// has one, or changes one, reaches no other account.
//
// Attack: a stolen service token is used, or changed, to reach another account of the servers
// Held by: the account is signed, and must be that of a project of the directory
func TestAccount(t *testing.T) {
	k, s := newKeyring(t), newSnapshot(t)
	for _, account := range []string{"AUTH", "SYS", "OTHER", "$SYS", "APP2", "app"} {
		token, err := service.New(t.Context(), k.Oldest(), rand.Reader, now, account)
		must(t, err)
		if _, err := verify(t, k, s, now, token); code(err) != service.CodeAccount {
			t.Errorf("account %s: %v", account, err)
		}
	}
	token, err := service.New(t.Context(), k.Oldest(), rand.Reader, now, "")
	must(t, err)
	if _, err := verify(t, k, s, now, token); code(err) != service.CodeInvalid {
		t.Errorf("no account: %v", err)
	}
	token, err = service.New(t.Context(), k.Oldest(), rand.Reader, now, "APP")
	must(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(token[len(service.Prefix):])
	must(t, err)
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := verify(t, k, s, now, service.Prefix+base64.RawURLEncoding.EncodeToString(changed)); code(err) != service.CodeInvalid {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := verify(t, k, s, now, service.Prefix+base64.RawURLEncoding.EncodeToString(raw[:i])); code(err) != service.CodeInvalid {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

// A health-check token is no service token, and the other way round, whatever its prefix.
//
// Attack: a health-check token, which a file of the host holds, is taken for one of usher's own connections
// Held by: the two kinds are signed under domains of their own
func TestKinds(t *testing.T) {
	k, s := newKeyring(t), newSnapshot(t)
	check, err := health.New(t.Context(), k.Oldest(), rand.Reader, now)
	must(t, err)
	if _, err := verify(t, k, s, now, service.Prefix+strings.TrimPrefix(check, health.Prefix)); code(err) != service.CodeInvalid {
		t.Errorf("a health-check token: %v", err)
	}
	token, err := service.New(t.Context(), k.Oldest(), rand.Reader, now, "APP")
	must(t, err)
	v := health.NewVerifier(func() *issuer.Keyring { return k }, func() time.Time { return now })
	_, err = v.Verify(t.Context(), &tokens.Credential{AuthToken: health.Prefix + strings.TrimPrefix(token, service.Prefix)})
	if code(err) != health.CodeInvalid {
		t.Errorf("a service token: %v", err)
	}
}

// The session of a connection ends when no project lives in its account any more.
func TestRecheck(t *testing.T) {
	k := newKeyring(t)
	current := newSnapshot(t)
	v := service.NewVerifier(func() *issuer.Keyring { return k }, func() *snapshot.Snapshot { return current }, func() time.Time { return now })
	id := identity.Identity{Name: service.UserName, Method: identity.MethodService, NotAfter: now.Add(time.Hour), Selection: identity.Selection{Account: "APP"}}
	if _, err := (tokens.Chain{v}).Recheck(&tokens.Credential{}, v.Name(), id, now); err != nil {
		t.Error(err)
	}
	current = snapshot.Empty()
	if _, err := (tokens.Chain{v}).Recheck(&tokens.Credential{}, v.Name(), id, now); code(err) != service.CodeAccount {
		t.Errorf("got %v", err)
	}
}
