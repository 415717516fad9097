package server_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// A connection has the grant that came last. If two replicas made two grants at once, neither
// knows which that is.
//
// Attack: a client sends CONNECT twice at once, so that one replica grants a key and another one the next, and the first forgets the key that is in force
// Held by: a connection about which replicas have granted different things, and nobody knows what came last, is closed
func TestTwoConnectsAtOnce(t *testing.T) {
	t.Parallel()
	in := apptest.NewSite(t, func(o *setup.Options) { o.KV = true })
	in.NatsServer(t)
	own := func(cfg *config.Config) {
		cfg.HTTP.Listen, cfg.API.Listen, cfg.Audit = "", "", config.Audit{To: "stderr"}
	}
	first, log := startReplica(t, in, own)
	_, otherLog := startReplica(t, in, func(cfg *config.Config) {
		own(cfg)
		cfg.Directory.SnapshotFile, cfg.Sessions.StateFile = "", ""
	})
	set := func(entries ...directory.Entry) {
		t.Helper()
		_, err := first.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
		callouttest.Must(t, err)
	}
	shop := directory.IDOf(directory.KindProject, "shop")
	set(directory.Entry{Key: directory.ProjectKey(shop), Value: &directory.Project{Name: "shop", Account: "APP"}})
	for _, name := range []string{"pia", "eve"} {
		id := directory.IDOf(directory.KindUser, name)
		set(
			directory.Entry{Key: directory.UserKey(id), Value: &directory.User{Name: name}},
			directory.Entry{Key: directory.KeyKey(id, "k"), Value: &directory.Key{Digest: directory.DigestOf(name + "-key")}},
			directory.Entry{Key: directory.MemberKey(shop, id), Value: &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}}},
		)
	}
	for range 8 { // both replicas know the keys
		apptest.Connected(t, in.URL, tokenOf("eve-key")...).Close()
	}
	const n = 16
	var open, settled atomic.Int64
	for range n {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(in.URL, "nats://"))
		callouttest.Must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "CONNECT {\"auth_token\":\"pia-key\",\"protocol\":1}\r\nCONNECT {\"user\":\"\",\"auth_token\":\"eve-key\",\"protocol\":1}\r\nPING\r\n")
		callouttest.Must(t, err)
		r := bufio.NewReader(conn)
		open.Add(1)
		go func() {
			defer open.Add(-1)
			settle := sync.OnceFunc(func() { settled.Add(1) })
			defer settle()
			for {
				line, err := r.ReadString('\n')
				switch {
				case err != nil:
					return
				case strings.HasPrefix(line, "-ERR"):
					t.Error(line)
				case strings.HasPrefix(line, "PONG"):
					settle()
				}
			}
		}()
	}
	closed := func(code string) (n int) {
		for line := range strings.Lines(log.String() + otherLog.String()) {
			if strings.Contains(line, `"kind":"session_closed"`) && strings.Contains(line, `"code":"`+code+`"`) {
				n++
			}
		}
		return n
	}
	callouttest.Eventually(t, "what two replicas have granted is closed", func() bool { return settled.Load() == n && closed("contested") > 0 })
	set(directory.Entry{Key: directory.KeyKey(directory.IDOf(directory.KindUser, "eve"), "k")})
	callouttest.Eventually(t, "all are closed", func() bool { return open.Load() == 0 })
}

func tokenOf(key string) []nats.Option { return []nats.Option{nats.Token(key), nats.NoReconnect()} }
