package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/codes"
	"usher/cmd/usher/cmdutil"
	"usher/directory/file"
	"usher/identity"
	"usher/internal/metrics"
	"usher/tokens"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the generated documents")

const generated = "<!-- Made by `go generate ./...` from the code; edit that. -->\n\n"

// TestDocs checks that the generated documents match the code.
func TestDocs(t *testing.T) {
	for name, text := range map[string][]byte{
		"errors.md":  errorsDoc(),
		"metrics.md": metricsDoc(t),
		"cli.md":     cliDoc(t),
	} {
		path := filepath.Join("..", "..", "docs", "reference", name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		existing, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(existing, text) {
			t.Errorf("%s differs from the code: run go generate ./...", path)
		}
	}
}

func errorsDoc() []byte {
	var b bytes.Buffer
	b.WriteString("# Outcomes and codes\n\n" + generated)
	b.WriteString("Every request ends with one outcome and one code. The audit, the log and `usher_requests_total` have both.\n" +
		"The client never sees them. The server's log and its auth error events have only `denied, request <id>`; with that id you find the cause in the audit.\n\n" +
		"| outcome | answered | what the client does |\n|---|---|---|\n" +
		"| granted | with a user JWT | is connected |\n" +
		"| denied | with an error | nats.go gives up for good after two in a row |\n" +
		"| unavailable | no | tries again |\n| shed | no | tries again |\n| malformed | no | there is none |\n")
	last := callout.Outcome("")
	for _, c := range codes.All() {
		if c.Outcome != last {
			fmt.Fprintf(&b, "\n## %s\n\n| code | meaning | what to do |\n|---|---|---|\n", c.Outcome)
			last = c.Outcome
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Code, c.Meaning, c.Hint)
	}
	return b.Bytes()
}

// metricsDoc lists the metrics of real instances: one with a directory file, one with a
// verifier that asks another system, and one with a bucket.
func metricsDoc(t *testing.T) []byte {
	t.Helper()
	var families []*dto.MetricFamily
	where := map[string]string{}
	withVerifier := newTestInstance(t)
	withVerifier.Parts.Decider.Chain = append(withVerifier.Parts.Decider.Chain, observed{})
	withBridge := newTestInstanceOf(t, false, func(cfg *config.Config) { cfg.StanBridge.URLs = []string{"nats://127.0.0.1:1"} })
	withStreams := newTestInstanceOf(t, false, func(cfg *config.Config) { cfg.Projects.Streams = config.StreamsManaged })
	withPush := newTestInstanceOf(t, true, func(cfg *config.Config) { cfg.Push.Inside = true })
	withAPI := newTestInstanceOf(t, false, func(cfg *config.Config) { cfg.API.Listen = "127.0.0.1:0" })
	withTLS := newTestInstanceOf(t, false, func(cfg *config.Config) { cfg.NATS.TLS.CAFile = callouttest.NewCA(t).File })
	withAPI.ObserveAPI(metrics.APIRequest{Route: "version.show", Status: http.StatusOK, Took: time.Second})
	for _, with := range []struct {
		in    *server.Server
		where string
	}{{newTestInstanceOf(t, false, func(cfg *config.Config) { cfg.Sessions = config.Sessions{} }), ""}, {newTestInstance(t), onlySystemUser}, {withVerifier, onlyVerifiers}, {withBridge, onlyBridge}, {newTestInstanceOf(t, true), onlyBuckets}, {withStreams, onlyStreams}, {withAPI, onlyAPI}, {withPush, onlyPush}, {withTLS, onlyCertificates}} {
		more, err := with.in.Metrics().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range more {
			if !slices.ContainsFunc(families, func(x *dto.MetricFamily) bool { return x.GetName() == f.GetName() }) {
				families = append(families, f)
				where[f.GetName()] = with.where
			}
		}
	}
	lintMetrics(t, families)
	var b bytes.Buffer
	b.WriteString("# Metrics\n\n" + generated + "Served at `/metrics` on `http.listen`, for Prometheus. The usual `go_` and `process_` metrics are there too.\n" +
		"Names follow the conventions of Prometheus: the names of counters end in `_total`, and names say the unit.\n" +
		"A scraper that asks for OpenMetrics gets exemplars of `usher_step_duration_seconds` and `usher_api_request_duration_seconds`: their `request_id` is that of log and audit. One that asks for protobuf gets native histograms beside the buckets.\n\n" +
		"| metric | type | labels | meaning |\n|---|---|---|---|\n")
	slices.SortFunc(families, func(x, y *dto.MetricFamily) int { return cmp.Compare(x.GetName(), y.GetName()) })
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "usher_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		help := f.GetHelp() + where[f.GetName()]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " "), help)
	}
	return b.Bytes()
}

// lintMetrics checks what promtool checks, and that usher's metrics have its prefix.
func lintMetrics(t *testing.T, families []*dto.MetricFamily) {
	t.Helper()
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families {
		if name := f.GetName(); !strings.HasPrefix(name, "usher_") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s has no prefix", name)
		}
	}
}

// These mark metrics that exist only with a user of the system account, with a bucket, with a
// verifier that asks another system or has a cache, with a bridge from NATS Streaming, with the
// API, with streams that usher keeps, with pushes, or with files of certificates.
const (
	onlySystemUser = " Only with `sessions.user`, `sessions.nkey_file` or `sessions.creds_file`."
	onlyBuckets    = " Only with `directory.from: kv` or `embedded`."
	onlyVerifiers  = " Only with verifiers that ask another system or have a cache."
	onlyBridge     = " Only with `stan_bridge.urls`."
	onlyAPI        = " Only with `api.listen`, from the first request on."
	onlyStreams    = " Only with `projects.streams: managed`."
	onlyPush       = " Only with `push.inside`, and at `usher push`."

	onlyCertificates = " Only with keys that name such files."
)

// observed is a verifier with a backend and a cache.
type observed struct{}

var _ tokens.Observable = observed{}

func (observed) Name() string { return "observed" }

func (observed) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (observed) Status() tokens.Status {
	return tokens.Status{Backends: make([]tokens.BackendStatus, 1), Caches: make([]tokens.CacheStatus, 1)}
}

// newTestInstance returns an instance that is not started.
func newTestInstance(t *testing.T) *server.Server {
	t.Helper()
	return newTestInstanceOf(t, false)
}

// newTestInstanceOf is newTestInstance with a directory that is a file, or a bucket, and
// with changes of the configuration.
func newTestInstanceOf(t *testing.T, bucket bool, changes ...func(*config.Config)) *server.Server {
	t.Helper()
	dir := t.TempDir()
	if _, err := setup.Write(setup.Options{Dir: dir, Listen: setup.DefaultListen, Random: zeros{}}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, setup.FileConfig))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Projects.Streams = config.StreamsManual // so that the document says when their metrics exist
	if bucket {
		cfg.Directory.From, cfg.Directory.File, cfg.Directory.StoreDir = config.DirectoryEmbedded, "", filepath.Join(dir, "store")
	}
	for _, change := range changes {
		change(cfg)
	}
	in, err := server.New(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func cliDoc(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("# Command line\n\n" + generated + "Data goes to stdout, everything else to stderr. Errors have the form `usher: error: …`, often followed by `usher: hint: …`.\n\n" +
		"| exit code | meaning |\n|---|---|\n| 0 | all is well |\n| 1 | something outside went wrong: the network, a server, a disk |\n| 2 | the command line is wrong |\n" +
		"| 3 | configuration, directory or keyring are wrong |\n| 4 | the answer is no |\n| 130 | Ctrl-C or SIGTERM ended a measurement early |\n")
	section := func(args ...string) {
		var out bytes.Buffer
		if code := run(context.Background(), append([]string{"usher"}, args...), &out, io.Discard); code != cmdutil.ExitOK {
			t.Fatalf("usher %s: exit code %d", strings.Join(args, " "), code)
		}
		title := strings.TrimSuffix(strings.TrimSuffix("usher "+strings.Join(args, " "), " --help"), "--help")
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s\n```\n", title, strings.TrimSpace(out.String()))
	}
	section("--help")
	var walk func(path []string, commands []*cli.Command)
	walk = func(path []string, commands []*cli.Command) {
		for _, c := range commands {
			if c.Name == "help" || c.Hidden {
				continue
			}
			full := append(slices.Clone(path), c.Name)
			if len(c.Subcommands) == 0 || len(c.Flags) > 0 { // which does something itself
				section(append(full, "--help")...)
			}
			walk(full, c.Subcommands)
		}
	}
	walk(nil, newApp(io.Discard, io.Discard).Commands)
	return b.Bytes()
}

// TestCodesAreCounted: every error code has a counter.
func TestCodesAreCounted(t *testing.T) {
	families, err := newTestInstance(t).Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "usher_requests_total" })
	if i < 0 || len(families[i].GetMetric()) != len(codes.All()) {
		t.Fatalf("usher_requests_total does not have one series for each of %d codes", len(codes.All()))
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestExamplesLoad: every YAML example in the documents is a valid directory.
func TestExamplesLoad(t *testing.T) {
	for _, name := range []string{"docs/reference/directory.md", "docs/how-to/nkeys-and-passwords.md", "README.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no example", name)
		}
		for i, block := range blocks {
			path := filepath.Join(t.TempDir(), "directory.yaml")
			if err := os.WriteFile(path, block[1], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := file.Load(path); err != nil {
				t.Errorf("%s, example %d: %v", name, i, err)
			}
		}
	}
}
