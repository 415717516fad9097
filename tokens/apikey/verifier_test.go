package apikey_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/conformance"
)

var (
	from  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	ours  = "usher_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABsfVDA"
)

func newSnapshot(tb testing.TB) *snapshot.Snapshot {
	tb.Helper()
	key := func(text string, change func(*directory.Key)) directory.Key {
		k := directory.Key{ID: "id-" + text, Digest: directory.DigestOf(text)}
		if change != nil {
			change(&k)
		}
		return k
	}
	s, err := snapshot.New(directory.Records{Users: []directory.User{
		{Name: "pia", Keys: []directory.Key{
			key("plain", nil),
			{Digest: directory.DigestOf(ours)},
			key("dated", func(k *directory.Key) { k.NotBefore, k.Expires = from, until }),
			key("off", func(k *directory.Key) { k.Disabled = true }),
			key("netted", func(k *directory.Key) {
				k.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::/10")}
			}),
			key(strings.Repeat("k", 4096), func(k *directory.Key) { k.ID = "longest" }),
			key(strings.Repeat("k", 4097), func(k *directory.Key) { k.ID = "too-long" }),
		}},
		{Name: "gone", Disabled: true, Keys: []directory.Key{key("gone", func(k *directory.Key) { k.Disabled, k.Expires = true, from })}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestVerifier(t *testing.T) {
	const malformed, unknown = apikey.CodeMalformed, apikey.CodeUnknown
	tests := []struct {
		name, token, host string
		now               time.Time
		code              string // of the rejection; empty: verified
		user              string // of the identity, verified or rejected
	}{
		{"a key", "plain", "", from, "", "pia"},
		{"a key of usher's own form", ours, "", from, "", "pia"},
		{"an unknown key", "other", "", from, unknown, ""},
		{"a key in other case", "PLAIN", "", from, unknown, ""},
		{"a key with white space", "plain ", "", from, unknown, ""},
		{"a digest is not a key", directory.DigestOf("plain").String(), "", from, unknown, ""},
		{"a key mistyped", ours[:20] + "B" + ours[21:], "", from, malformed, ""},
		{"a truncated key", ours[:20], "", from, malformed, ""},
		{"the prefix alone", "usher_", "", from, malformed, ""},
		{"the longest token", strings.Repeat("k", 4096), "", from, "", "pia"},
		{"a token that is too long, although the directory has it", strings.Repeat("k", 4097), "", from, malformed, ""},
		{"5,000 characters", strings.Repeat("x", 5000), "", from, malformed, ""},
		{"before not_before", "dated", "", from.Add(-time.Nanosecond), tokens.CodeKeyNotYetValid, "pia"},
		{"at not_before", "dated", "", from, "", "pia"},
		{"before expires", "dated", "", until.Add(-time.Nanosecond), "", "pia"},
		{"at expires", "dated", "", until, tokens.CodeKeyExpired, "pia"},
		{"after expires", "dated", "", until.Add(time.Hour), tokens.CodeKeyExpired, "pia"},
		{"at expires, in another zone", "dated", "", until.In(time.FixedZone("x", 7200)), tokens.CodeKeyExpired, "pia"},
		{"a disabled key", "off", "", from, tokens.CodeKeyDisabled, "pia"},
		{"a disabled user, whatever the key", "gone", "", until, tokens.CodeUserDisabled, "gone"},
		{"in the network", "netted", "10.1.2.3", from, "", "pia"},
		{"the last address", "netted", "10.255.255.255", from, "", "pia"},
		{"outside", "netted", "11.0.0.0", from, tokens.CodeKeyNetwork, "pia"},
		{"in the IPv6 network", "netted", "2001:db8:1::1", from, "", "pia"},
		{"outside the IPv6 network", "netted", "2001:db9::1", from, tokens.CodeKeyNetwork, "pia"},
		{"IPv4 in IPv6", "netted", "::ffff:10.1.2.3", from, "", "pia"},
		{"IPv4 in IPv6, outside", "netted", "::ffff:11.1.2.3", from, tokens.CodeKeyNetwork, "pia"},
		{"an address with a zone", "netted", "fe80::1%eth0", from, "", "pia"},
		{"no address", "netted", "", from, tokens.CodeKeyNetwork, "pia"},
		{"a host name", "netted", "localhost", from, tokens.CodeKeyNetwork, "pia"},
		{"an address with a port", "netted", "10.1.2.3:4222", from, tokens.CodeKeyNetwork, "pia"},
		{"without networks no address is needed", "plain", "localhost", from, "", "pia"},
	}
	s := newSnapshot(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, func() time.Time { return tt.now })
			for _, c := range []tokens.Credential{
				{AuthToken: tt.token, Host: tt.host},
				{User: "alice", Password: tt.token, Host: tt.host},
				{User: tt.token, Host: tt.host},
			} {
				id, _, err := tokens.Chain{v}.Verify(t.Context(), &c, nil)
				if tt.code == "" {
					if err != nil || id.Name != tt.user || id.Method != identity.MethodAPIKey || id.Authority != identity.AuthorityDirectory {
						t.Errorf("got %+v, %v", id, err)
					}
					continue
				}
				var r *tokens.Reason
				if !errors.As(err, &r) || !errors.Is(err, tokens.ErrRejected) || r.Code != tt.code || r.Identity.Name != tt.user {
					t.Errorf("got %+v, %v", r, err)
				}
				if id.Name != "" {
					t.Errorf("rejected, but with identity %+v", id)
				}
				if err != nil && len(tt.token) > 4 && strings.Contains(err.Error(), tt.token) {
					t.Error("the error contains the key")
				}
			}
		})
	}
}

func TestIdentityOfAKey(t *testing.T) {
	s := newSnapshot(t)
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, func() time.Time { return from })
	id, err := v.Verify(t.Context(), &tokens.Credential{User: "project=shop", Password: "dated"})
	if err != nil || id.KeyID != "id-dated" || !id.NotAfter.Equal(until) || id.Selection.Project != "shop" || id.Networks != nil {
		t.Errorf("got %+v, %v", id, err)
	}
	id, err = v.Verify(t.Context(), &tokens.Credential{AuthToken: ours})
	if err != nil || id.KeyID != directory.DigestOf(ours).KeyID() || !id.NotAfter.IsZero() || !id.Selection.IsZero() {
		t.Errorf("got %+v, %v", id, err)
	}
	id, err = v.Verify(t.Context(), &tokens.Credential{AuthToken: "netted", Host: "10.0.0.1"})
	if err != nil || len(id.Networks) != 3 {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestNoToken(t *testing.T) {
	v := apikey.NewVerifier(func() *snapshot.Snapshot { t.Error("the directory was read"); return nil }, time.Now)
	if _, err := v.Verify(t.Context(), &tokens.Credential{Host: "10.0.0.1"}); !errors.Is(err, tokens.ErrNotApplicable) {
		t.Errorf("got %v", err)
	}
	if v.Name() != "apikey" {
		t.Errorf("name %q", v.Name())
	}
}

// Without a directory a key cannot be verified, which is not a denial. A mistyped key is
// rejected without one.
func TestNoDirectory(t *testing.T) {
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return nil }, time.Now)
	if _, err := v.Verify(t.Context(), &tokens.Credential{AuthToken: "plain"}); !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) {
		t.Errorf("got %v", err)
	}
	if _, err := v.Verify(t.Context(), &tokens.Credential{AuthToken: "usher_x"}); !errors.Is(err, tokens.ErrRejected) {
		t.Errorf("got %v", err)
	}
}

// A key is unavailable while a directory entry that may hold it cannot be read.
func TestUnreadable(t *testing.T) {
	pia := directory.IDOf(directory.KindUser, "pia")
	tests := map[string]struct {
		entry directory.Entry
		token string
		want  error
	}{
		"the user of the key":          {directory.Entry{Key: directory.UserKey(pia), Value: &directory.Unreadable{}}, "plain", tokens.ErrUnavailable},
		"no user has the key":          {directory.Entry{Key: directory.UserKey(pia)}, "plain", tokens.ErrUnavailable},
		"the key":                      {directory.Entry{Key: directory.KeyKey(pia, "id-plain"), Value: &directory.Unreadable{}}, "plain", tokens.ErrUnavailable},
		"another key":                  {directory.Entry{Key: directory.KeyKey(pia, "id-dated"), Value: &directory.Unreadable{}}, "plain", nil},
		"a key, and the token is new":  {directory.Entry{Key: directory.KeyKey(pia, "id-dated"), Value: &directory.Unreadable{}}, "new", tokens.ErrUnavailable},
		"another user":                 {directory.Entry{Key: directory.UserKey(directory.IDOf(directory.KindUser, "gone")), Value: &directory.Unreadable{}}, "plain", nil},
		"a user, and the token is new": {directory.Entry{Key: directory.UserKey(pia), Value: &directory.Unreadable{}}, "new", tokens.ErrRejected},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, _, _ := newSnapshot(t).Apply([]directory.Entry{tt.entry})
			v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, func() time.Time { return from })
			if _, _, err := (tokens.Chain{v}).Verify(t.Context(), &tokens.Credential{AuthToken: tt.token}, nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		New: func(_ *testing.T, directory func() *snapshot.Snapshot) tokens.Verifier {
			return apikey.NewVerifier(directory, func() time.Time { return from })
		},
		Directory: newSnapshot(t), OfDirectory: true,
		Method: identity.MethodAPIKey, Authority: identity.AuthorityDirectory,
		Good: tokens.Credential{AuthToken: "netted", Host: "10.1.2.3"},
		Bad: map[string]tokens.Credential{
			apikey.CodeUnknown:      {AuthToken: "nobody-has-it"},
			apikey.CodeMalformed:    {AuthToken: ours[:20]},
			tokens.CodeKeyDisabled:  {AuthToken: "off"},
			tokens.CodeKeyNetwork:   {AuthToken: "netted", Host: "11.0.0.1"},
			tokens.CodeUserDisabled: {AuthToken: "gone"},
		},
		Secrets: []string{"nobody-has-it", ours[:20]},
	})
}

// BenchmarkVerify compares with the digest of the key.
func BenchmarkVerify(b *testing.B) {
	s := newSnapshot(b)
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, func() time.Time { return from })
	conformance.Compare(b, func() bool {
		_, err := v.Verify(b.Context(), &tokens.Credential{AuthToken: ours})
		return err == nil
	}, func() bool { return directory.DigestOf(ours) != directory.Digest{} })
}
