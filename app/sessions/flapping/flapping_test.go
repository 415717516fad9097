package flapping_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/app/sessions/flapping"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/file"
	"usher/identity"
	"usher/internal/audit"
)

// bans returns the bans of a store.
func bans(s *file.Store) []*directory.Ban { return slices.Collect(s.Snapshot().Bans().All()) }

func start(t *testing.T, by ...flapping.Kind) (*flapping.Detector, *file.Store, *callouttest.Clock) {
	t.Helper()
	clock := &callouttest.Clock{}
	path := filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, os.WriteFile(path, []byte(callouttest.WithDigests("users: [{name: ada, keys: [{id: laptop, digest: KEY(ada)}]}]\n")), 0o600))
	log := slog.New(slog.DiscardHandler)
	store, err := file.Open(file.Config{Path: path, Log: log, Now: clock.Now})
	callouttest.Must(t, err)
	var kinds []string
	for _, kind := range by {
		kinds = append(kinds, string(kind))
	}
	d := flapping.New(flapping.Config{
		By:       kinds,
		Connects: 5, Within: time.Minute, BanFor: 10 * time.Minute,
		Except: []string{"10.0.0.0/8"}, Snapshot: store.Snapshot, Change: store.HoldBans,
		Log: log, Now: clock.Now,
	})
	d.Granted(of("warm-up", "192.0.2.250"))
	clock.Advance(2 * time.Minute)
	go d.Run(t.Context())
	return d, store, clock
}

func denied(host string) *audit.Event {
	return &audit.Event{Outcome: "denied", Code: "key_unknown", ClientHost: host}
}

func of(user, addr string) *session.Session {
	return &session.Session{
		ID: session.ID{Server: "N1"}, Addr: netip.MustParseAddr(addr), Digest: directory.DigestOf(user),
		Identity: identity.Identity{Name: user, Authority: identity.AuthorityDirectory},
	}
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		by     flapping.Kind
		source func(n int) *session.Session
		want   directory.BanTarget
	}{
		"credential": {flapping.Credential, func(n int) *session.Session { return of("ada", fmt.Sprint("192.0.2.", n)) }, directory.BanTarget{Digest: directory.DigestOf("ada")}},
		"user":       {flapping.User, func(int) *session.Session { return of("ada", "192.0.2.1") }, directory.BanTarget{User: directory.IDOf(directory.KindUser, "ada")}},
		"address":    {flapping.Address, func(n int) *session.Session { return of(fmt.Sprint("u", n), "192.0.2.1") }, directory.BanTarget{Network: netip.MustParsePrefix("192.0.2.1/32")}},
		"IPv6":       {flapping.Address, func(n int) *session.Session { return of("ada", fmt.Sprint("2001:db8::", n)) }, directory.BanTarget{Network: netip.MustParsePrefix("2001:db8::/64")}},
		"identity": {flapping.User, func(int) *session.Session {
			s := of("x", "192.0.2.1")
			s.Identity.Authority, s.Identity.ID = "https://id.example.org", "00u1"
			return s
		}, directory.BanTarget{Authority: "https://id.example.org", IdentityID: "00u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, store, clock := start(t, tt.by)
			for n := range 5 {
				d.Granted(tt.source(n))
			}
			clock.Advance(time.Minute)
			for n := range 6 {
				d.Granted(tt.source(n))
			}
			callouttest.Eventually(t, "it is banned", func() bool { return len(bans(store)) == 1 })
			ban := bans(store)[0]
			if ban.Target != tt.want || ban.By != directory.BanByUsher || ban.Until.Sub(ban.Created) != 10*time.Minute || len(ban.Check()) > 0 {
				t.Errorf("%+v", ban)
			}
			want := "flapping: more than 5 connects within 1m0s"
			if name == "credential" {
				want += ", with key laptop of user ada"
			}
			if ban.Reason != want {
				t.Errorf("reason %q, want %q", ban.Reason, want)
			}
		})
	}
}

// Nothing is counted after a start, and a storm of many bans nobody.
//
// Attack: a client fails to connect with the name of another one, again and again, to have it banned
// Held by: denied connects count for their address alone
func TestNotFlapping(t *testing.T) {
	t.Parallel()
	d, store, clock := start(t, flapping.Credential, flapping.User, flapping.Address)
	for n := range 1000 {
		d.Granted(of(fmt.Sprint("fleet-", n), fmt.Sprintf("192.0.%d.%d", n/250, n%250))) // a storm
		d.Granted(of("ada", "10.0.0.1"))                                                 // excepted
		d.Decided(denied("10.0.0.1"))
	}
	health := of("usher-healthcheck", "198.51.100.1")
	health.Identity.Authority = identity.AuthorityUsher
	for range 100 {
		d.Granted(health)
	}
	d.Pause() // a server has gone
	for range 100 {
		d.Granted(of("ada", "198.51.100.1"))
	}
	clock.Advance(time.Hour)
	other := of("ada", "198.51.100.1")
	other.Server = "N2" // a server that has just started
	for range 100 {
		d.Granted(other)
	}
	clock.Advance(time.Hour)
	for range 6 {
		d.Decided(denied("198.51.100.2"))
	}
	callouttest.Eventually(t, "only an address is banned", func() bool { return len(bans(store)) == 1 })
	if got := bans(store)[0].Target; got.Network != netip.MustParsePrefix("198.51.100.2/32") {
		t.Errorf("%+v", got)
	}
}
