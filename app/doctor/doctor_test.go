package doctor

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

func TestMain(m *testing.M) { callouttest.RaiseParallelism(); m.Run() }

func TestSystem(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	const gib = 1 << 30
	for _, c := range []struct {
		name, check, detail string
		system              System
		severity            finding.Severity
	}{
		{"few processes", "processes", "at most 100 processes", System{Processes: 100}, finding.Warning},
		{"few processes of the unit", "processes", "at most 64 processes", System{Processes: 5000, CgroupProcesses: 64}, finding.Warning},
		{"processes", "processes", "at most 5000 processes", System{Processes: 5000}, finding.OK},
		{"little memory", "memory", "64 MiB are available", System{Memory: gib, MemoryAvailable: 64 << 20}, finding.Warning},
		{"memory", "memory", "512 MiB of 1.0 GiB", System{Memory: gib, MemoryAvailable: 512 << 20, CgroupMemory: 2 * gib}, finding.OK},
		{"no GOMEMLIMIT", "memory", "GOMEMLIMIT is not set", System{Memory: gib, CgroupMemory: gib / 2}, finding.Warning},
		{"GOMEMLIMIT is too high", "memory", "more than the 512 MiB", System{Memory: 2 * gib, CgroupMemory: gib / 2, GoMemoryLimit: gib}, finding.Warning},
		{"GOMEMLIMIT", "memory", "GOMEMLIMIT is 256 MiB", System{Memory: gib, CgroupMemory: gib / 2, GoMemoryLimit: gib / 4}, finding.OK},
		{"clock", "host clock", "is synchronized", System{ClockSynchronous: &yes}, finding.OK},
		{"clock is not synchronized", "host clock", "not synchronized", System{ClockSynchronous: &no}, finding.Warning},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var f finding.List
			c.system.check(&f)
			if len(f) != 1 {
				t.Errorf("findings: %+v", f)
			}
			findingtest.Holds(t, f, 0, c.check, c.severity, c.detail)
		})
	}
}

func TestClockOffset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		detail            string
		offset, roundTrip time.Duration
		severity          finding.Severity
	}{
		{"3s ahead of", 3 * time.Second, time.Millisecond, finding.Warning},
		{"3s behind", -3 * time.Second, time.Millisecond, finding.Warning},
		{"1s behind", -time.Second, time.Millisecond, finding.OK},
		{"3s ahead of", 3 * time.Second, 4 * time.Second, finding.OK}, // half of the round trip explains it
	} {
		var f finding.List
		(&Server{Name: "one", Offset: c.offset, RoundTrip: c.roundTrip}).check(&f)
		findingtest.Holds(t, f, 0, "clock offset", c.severity, c.detail)
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, ok := freeSpace(dir)
	if !ok {
		return // this system does not tell
	}
	if s.free == 0 || s.total < s.free {
		t.Fatalf("space: %+v", s)
	}
	missing := filepath.Join(dir, "later", "audit.jsonl")
	if got := existing(missing); got != dir {
		t.Errorf("the folder of a file to come is %s", got)
	}
	var f finding.List
	checkDisk(&f, config.KeyedPath{Key: "audit.file", Path: missing}, 1<<62)
	findingtest.Holds(t, f, 0, "disk", finding.Warning, "less than audit.spool_bytes")
}

func TestPortsAndWays(t *testing.T) {
	t.Parallel()
	on, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	defer on.Close() //nolint:errcheck // the test ends
	cfg := &config.Config{}
	cfg.API.X509.Listen = on.Addr().String()
	cfg.Push.GRPC.Listen = "127.0.0.1:0"
	cfg.NATS.URLs = []string{"nats://" + on.Addr().String(), "nats://127.0.0.1:1", "nats://name.invalid:4222"}
	var f finding.List
	checkPorts(context.Background(), &f, cfg, false)
	findingtest.Holds(t, f, 0, "port", finding.Warning, "api.x509.listen is in use, and no usher answers")
	var running finding.List
	checkPorts(context.Background(), &running, cfg, true)
	findingtest.Holds(t, running, 0, "port", finding.OK, "api.x509.listen is in use, and an usher runs here")
	if len(f) != 1 || len(running) != 1 {
		t.Errorf("findings: %+v %+v", f, running)
	}
	var ways finding.List
	checkWays(context.Background(), &ways, cfg)
	if len(ways) != 3 || ways[0].Severity == finding.Error {
		t.Errorf("findings: %+v", ways)
	}
	findingtest.Holds(t, ways[1:], fault.Runtime, "tcp", finding.Error, "127.0.0.1:1")
	findingtest.Holds(t, ways[2:], fault.Runtime, "tcp", finding.Error, "name.invalid")
}

func TestRunning(t *testing.T) {
	t.Parallel()
	metrics := "# HELP\nusher_configuration_restart_needed 1\nprocess_open_fds 90\nprocess_max_fds 100\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("no connection\n")) // the client reads it
			return
		}
		_, _ = w.Write([]byte(metrics)) // as above
	}))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	var f finding.List
	r := askRunning(context.Background(), address)
	r.check(&f, address)
	for _, detail := range []string{"not ready: no connection", "has 90 files and connections open, and may have 100", "need a restart"} {
		findingtest.Holds(t, f, 0, "running usher", finding.Warning, detail)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })) // as above
	defer other.Close()
	if r := askRunning(context.Background(), strings.TrimPrefix(other.URL, "http://")); r != nil {
		t.Errorf("another program counts as usher: %+v", r)
	}
}

func TestReadSystem(t *testing.T) {
	t.Parallel()
	s := readSystem(time.Now())
	if s.CPUs < 1 || s.Go == "" || s.Time.IsZero() {
		t.Errorf("system: %+v", s)
	}
	if _, err := os.Stat("/proc/meminfo"); err == nil && (s.Memory == 0 || s.Kernel == "" || s.ClockSynchronous == nil) {
		t.Errorf("system: %+v", s)
	}
}
