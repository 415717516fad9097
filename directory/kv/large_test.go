package kv_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/kv/envelope"
)

// The roles of processes that are measured: each runs in a process of its own.
const (
	roleVariable = "USHER_KV_TEST_ROLE"
	roleServer   = "server"  // a nats-server with JetStream; the port and the store directory are its arguments
	roleReplica  = "replica" // a store; URL and cache are its arguments
)

// play runs the role for which the process was started, until its input ends.
func play(role string, args []string) error {
	switch role {
	case roleServer:
		port, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: args[1], NoSigs: true, NoLog: true})
		if err != nil {
			return err
		}
		s.Start()
		s.ReadyForConnections(time.Minute)
		fmt.Fprintln(os.Stdout, "{}")
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Shutdown()
		s.WaitForShutdown()
	case roleReplica:
		return playReplica(args[0], args[1])
	}
	return nil
}

// measured is what a replica reports about itself.
type measured struct {
	Loaded  time.Duration // until it served
	Peak    uint64        // bytes of memory, at most
	Size    directory.Size
	Changes []time.Duration // each until in force
	CPU     time.Duration   // of the whole process
	Held    uint64          // bytes of the heap that are in use in the end
}

func playReplica(url, cache string) error {
	c, err := nats.Connect(url, nats.Timeout(time.Minute), nats.ReconnectBufSize(-1))
	if err != nil {
		return err
	}
	defer c.Close()
	heard := make(chan struct{}, 1)
	start := time.Now()
	s, err := kv.Open(kv.Config{
		Conn: c, Bucket: "usher", Cache: cache, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Now: time.Now,
		OnLarge: func() { debug.SetGCPercent(30) }, // as usher serve does
		OnChange: func(kv.Changed) {
			select {
			case heard <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for s.Snapshot() == nil {
		<-heard
	}
	m := measured{Loaded: time.Since(start), Size: s.Snapshot().Size()}
	for i := range 100 {
		name, id := largeUser(i*7), largeID(i*7)
		start := time.Now()
		if err := put(c, directory.UserKey(id), &directory.User{Name: name, Disabled: true}); err != nil {
			return err
		}
		for {
			if u, ok := s.Snapshot().User(name); ok && u.Disabled {
				break
			}
			<-heard
		}
		if i > 0 { // following has begun
			m.Changes = append(m.Changes, time.Since(start))
		}
		if err := put(c, directory.UserKey(id), &directory.User{Name: name}); err != nil {
			return err
		}
	}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	m.Peak = peak()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m.Held = mem.HeapAlloc
	runtime.KeepAlive(s)
	return json.NewEncoder(os.Stdout).Encode(m)
}

func put(c *nats.Conn, k directory.EntryKey, v directory.Value) error {
	data, err := envelope.Encode(v)
	if err != nil {
		return err
	}
	_, err = c.Request("$KV.usher."+k.String(), data, 10*time.Second)
	return err
}

// peak returns the peak resident memory of the process.
func peak() uint64 {
	f, err := os.Open("/proc/self/status")
	if err == nil {
		defer f.Close() //nolint:errcheck // read only
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
				if kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	var m runtime.MemStats // elsewhere: what Go has ever asked for
	runtime.ReadMemStats(&m)
	return m.Sys
}

// child starts this test binary in a role. It returns the first line of its output, and a
// function that ends it.
func child(tb testing.TB, role string, args ...string) (said []byte, end func() (cpu time.Duration)) {
	tb.Helper()
	self, err := os.Executable()
	callouttest.Must(tb, err)
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = tb.Output()
	in, err := cmd.StdinPipe()
	callouttest.Must(tb, err)
	out, err := cmd.StdoutPipe()
	callouttest.Must(tb, err)
	callouttest.Must(tb, cmd.Start())
	said, err = bufio.NewReader(out).ReadBytes('\n')
	callouttest.Must(tb, err)
	return said, func() time.Duration {
		_ = in.Close()
		callouttest.Must(tb, cmd.Wait())
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
}

func largeUser(i int) string { return "user-" + strconv.Itoa(i) }

func largeID(i int) uuid.UUID { return directory.IDOf(directory.KindUser, largeUser(i)) }

// fill writes a directory into the bucket, in which every user has a key. With members,
// each user is also a member of one of a thousand projects, in which the ACL of each of
// nine topics and nine subscriptions names a third of the members.
func fill(tb testing.TB, js jetstream.JetStream, users int, withMembers bool) (entries int) {
	tb.Helper()
	const members, resources = 1000, 9
	write := func(k directory.EntryKey, v directory.Value) {
		data, err := envelope.Encode(v)
		callouttest.Must(tb, err)
		m := nats.NewMsg("$KV.usher." + k.String())
		m.Data = data
		m.Header.Set("Usher-Change", "aBcDeFgHiJkLmNoPqRsTuV")
		_, err = js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
		callouttest.Must(tb, err)
		entries++
	}
	for p := range users / members {
		project := directory.IDOf(directory.KindProject, fmt.Sprintf("project-%d", p))
		write(directory.ProjectKey(project), &directory.Project{Name: fmt.Sprintf("project-%d", p), Account: fmt.Sprintf("ACCOUNT-%d", p%10)})
		acls := make([]directory.ACL, resources)
		for n := range members {
			i := p*members + n
			id := largeID(i)
			write(directory.UserKey(id), &directory.User{Name: largeUser(i), Made: directory.Made{Created: time.Unix(int64(i), 0).UTC(), By: project}})
			write(directory.KeyKey(id, "default"), &directory.Key{Digest: directory.DigestOf(largeUser(i)), Created: time.Unix(int64(i), 0).UTC()})
			if !withMembers {
				continue
			}
			write(directory.MemberKey(project, id), &directory.Member{Roles: []directory.Role{directory.RolePublisher, directory.RoleConsumer}[i%2 : i%2+1]})
			for r := range resources {
				if (i/7+r)%resources%3 == i%3 {
					acls[r].Users = append(acls[r].Users, id)
				}
			}
		}
		for r := range resources {
			topic, sub := fmt.Sprintf("topic-%d", r), fmt.Sprintf("sub-%d", r)
			write(directory.ResourceKey(directory.KindTopic, project, topic), &directory.Topic{})
			write(directory.ResourceKey(directory.KindSubscription, project, sub), &directory.Subscription{Topic: topic})
			if withMembers {
				write(directory.ResourceKey(directory.KindTopicACL, project, topic), &acls[r])
				write(directory.ResourceKey(directory.KindSubscriptionACL, project, sub), &acls[r])
			}
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		tb.Fatal("the bucket is not filled")
	}
	return entries
}

// large are the measurements of a directory.
type large struct {
	entries         int
	bucket, disk    measured
	changes         []time.Duration
	filled          time.Duration
	bytes, snapshot int64 // of the bucket and of the cache
}

func measureLarge(tb testing.TB, users int, withMembers bool) large {
	tb.Helper()
	dir, port := storeDir(tb), callouttest.FreePort(tb)
	_, end := child(tb, roleServer, strconv.Itoa(port), dir)
	tb.Cleanup(func() { end() })
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	c := connect(tb, url)
	stop := run(tb, open(tb, kv.Config{Conn: c, Create: true}))
	callouttest.Eventually(tb, "the bucket is created", func() bool {
		m, err := c.Request("$JS.API.STREAM.INFO.KV_usher", nil, 10*time.Second)
		return err == nil && !strings.Contains(string(m.Data), `"error"`)
	})
	stop()
	js, err := jetstream.New(c, jetstream.WithPublishAsyncMaxPending(2000))
	callouttest.Must(tb, err)
	var l large
	start := time.Now()
	l.entries = fill(tb, js, users, withMembers)
	l.filled = time.Since(start)
	state := api(tb, c, "STREAM.INFO.KV_usher", nil)["state"].(map[string]any)
	l.bytes = int64(state["bytes"].(float64))
	if got := int(state["messages"].(float64)); got != l.entries {
		tb.Fatalf("the bucket holds %d of %d entries", got, l.entries)
	}
	c.Close()
	cache := filepath.Join(tb.TempDir(), "cache")
	for _, m := range []*measured{&l.bucket, &l.disk} {
		said, end := child(tb, roleReplica, url, cache)
		cpu := end()
		callouttest.Must(tb, json.Unmarshal(said, m))
		m.CPU = cpu
		if m.Size.Users != users || m.Size.Keys != users || m.Size.Topics != users/1000*9 {
			tb.Fatalf("it has loaded %+v", m.Size)
		}
		l.changes = append(l.changes, m.Changes...)
	}
	slices.Sort(l.changes)
	info, err := os.Stat(cache)
	callouttest.Must(tb, err)
	l.snapshot = info.Size()
	return l
}

func (l *large) String() string {
	const mib = 1 << 20
	return fmt.Sprintf("%d entries (%d MiB in the bucket, filled in %s): from the bucket %s (%s of processors), %d MiB at most; from disk (%d MiB) %s (%s), %d MiB at most, %d MiB in the end; a changed user in force after %s, longest %s",
		l.entries, l.bytes/mib, l.filled.Round(time.Millisecond), l.bucket.Loaded.Round(time.Millisecond), l.bucket.CPU, l.bucket.Peak/mib, l.snapshot/mib,
		l.disk.Loaded.Round(time.Millisecond), l.disk.CPU, l.disk.Peak/mib, l.disk.Held/mib, l.changes[len(l.changes)/2], l.changes[len(l.changes)-1])
}

// TestLarge measures a smaller directory than BenchmarkLarge.
func TestLarge(t *testing.T) {
	t.Parallel()
	l := measureLarge(t, 20_000, true)
	t.Log(l.String())
}

// BenchmarkLarge measures a replica of a directory with 1,000,000 users: s-bucket and s-disk
// are the times until it serves, MiB-bucket and MiB-disk the peak memory of its process
// (without the server), and ms-change the longest time until a change was in use. It runs
// once with one key per user, and once with memberships and ACLs too, which adds half as
// many entries.
func BenchmarkLarge(b *testing.B) {
	for name, withMembers := range map[string]bool{"keys": false, "members": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				l := measureLarge(b, 1_000_000, withMembers)
				b.Log(l.String())
				b.ReportMetric(l.bucket.Loaded.Seconds(), "s-bucket")
				b.ReportMetric(l.disk.Loaded.Seconds(), "s-disk")
				b.ReportMetric(float64(l.bucket.Peak)/(1<<20), "MiB-bucket")
				b.ReportMetric(float64(l.disk.Peak)/(1<<20), "MiB-disk")
				b.ReportMetric(float64(l.changes[len(l.changes)-1].Microseconds())/1000, "ms-change")
				b.ReportMetric(float64(l.changes[len(l.changes)*99/100].Microseconds())/1000, "ms-change-p99")
			}
		})
	}
}
