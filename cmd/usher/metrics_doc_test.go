package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// row is one metric, from docs/reference/metrics.md or from a running usher.
type row struct{ kind, labels, help string }

// documented reads docs/reference/metrics.md.
func documented(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/metrics.md")
	callouttest.Must(t, err)
	rows := map[string]row{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); strings.HasPrefix(line, "| `usher_") && len(cells) == 4 {
			rows[strings.Trim(cells[0], "|` ")] = row{cells[1], cells[2], strings.TrimSuffix(cells[3], " |")}
		}
	}
	return rows
}

var sample = regexp.MustCompile(`^(usher_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)

// shown reads what a running usher shows.
func shown(text string) map[string]row {
	rows := map[string]row{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		words := strings.SplitN(line, " ", 4)
		switch m := sample.FindStringSubmatch(line); {
		case len(words) == 4 && words[1] == "HELP" && strings.HasPrefix(words[2], "usher_"):
			rows[words[2]] = row{help: strings.ReplaceAll(words[3], `\"`, `"`)}
		case len(words) == 4 && words[1] == "TYPE" && strings.HasPrefix(words[2], "usher_"):
			r := rows[words[2]]
			r.kind = words[3]
			rows[words[2]] = r
		case m != nil:
			var labels []string
			for _, name := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
				if name[1] != "le" {
					labels = append(labels, "`"+name[1]+"`")
				}
			}
			slices.Sort(labels)
			if r, ok := rows[m[1]]; ok {
				r.labels = strings.Join(labels, " ")
				rows[m[1]] = r
			}
		}
	}
	return rows
}

// condition returns the sentence which says when a documented metric is shown; empty: always.
func condition(help string) string {
	for _, only := range []string{onlyBuckets, onlyVerifiers, onlyBridge, onlySystemUser, onlyAPI, onlyStreams, onlyPush, onlyCertificates} {
		if strings.HasSuffix(help, only) {
			return only
		}
	}
	return ""
}

// TestMetricsDocumented: docs/reference/metrics.md has exactly the metrics of a running
// usher, in every configuration. A counter has a name that ends in _total.
func TestMetricsDocumented(t *testing.T) {
	t.Parallel()
	want := documented(t)
	if len(want) < 18 {
		t.Fatalf("only %d metrics are documented", len(want))
	}
	for name, r := range want {
		if strings.HasSuffix(name, "_total") != (r.kind == "counter") {
			t.Errorf("%s is a %s", name, r.kind)
		}
	}
	for name, way := range map[string]struct {
		options []string
		edits   []string
		has     []string // conditions of metrics that hold, besides onlySystemUser and onlyStreams
	}{
		"bridge":         {nil, []string{"audit:\n", "stan_bridge:\n  urls: [nats://127.0.0.1:1]\naudit:\n"}, []string{onlyBridge}},
		"file":           {nil, nil, nil},
		"file, operator": {[]string{"--operator"}, nil, nil},
		"no system user": {nil, []string{"  user: usher-sessions\n", "", "  password_file: sessions.password\n", ""}, nil},
		"kv":             {[]string{"--kv"}, nil, []string{onlyBuckets}},
		"kv, operator":   {[]string{"--kv", "--operator"}, nil, []string{onlyBuckets}},
		"kv, no API":     {[]string{"--kv"}, []string{"  listen: API", "  listen: \"\"", "  messages: true\n", ""}, []string{onlyBuckets}},
		"manual":         {nil, []string{"  streams: managed\n", "  streams: manual\n"}, nil},
		"messages":       {[]string{"--kv"}, []string{"  from: kv\n", "  from: embedded\n  store_dir: store\n", "audit:\n", "push:\n  inside: true\naudit:\n"}, []string{onlyBuckets, onlyPush}},
		"embedded":       {[]string{"--kv"}, []string{"  from: kv\n", "  from: embedded\n  store_dir: store\n"}, []string{onlyBuckets}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := initialized(t, way.options...)
			for i := 0; i < len(way.edits); i += 2 {
				in.Edit(t, setup.FileConfig, strings.ReplaceAll(way.edits[i], "API", in.API), way.edits[i+1])
			}
			in.NatsServer(t)
			in.serve(t)
			_, text := in.get("/metrics")
			got := shown(text)
			has := way.has
			if name != "manual" {
				has = append(has, onlyStreams)
			}
			if name != "no system user" {
				has = append(has, onlySystemUser)
			}
			for name, r := range got {
				d, ok := want[name]
				d.help = strings.TrimSuffix(d.help, condition(d.help))
				if !ok || d != r {
					t.Errorf("%s is shown as %+v, and documented as %+v", name, r, d)
				}
			}
			for name, d := range want {
				only := condition(d.help)
				if _, ok := got[name]; only != onlyVerifiers && only != onlyAPI && ok != (only == "" || slices.Contains(has, only)) {
					t.Errorf("%s is documented, and shown: %t", name, ok)
				}
			}
		})
	}
}
