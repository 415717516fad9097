package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	docs  = "../../docs/"
	rules = "../../deploy/prometheus/usher.rules.yaml"
)

// documented returns the labels of each metric of docs/reference/metrics.md, which a test of
// cmd/usher compares with what usher serves.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{"up": nil, "ALERTS": nil}
	for line := range strings.Lines(read(t, docs+"reference/metrics.md")) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `usher_") || len(cells) != 4 {
			continue
		}
		name := strings.Trim(cells[0], "|` ")
		labels := strings.Fields(strings.ReplaceAll(cells[2], "`", ""))
		metrics[name] = labels
		if cells[1] == "histogram" {
			metrics[name+"_bucket"], metrics[name+"_count"], metrics[name+"_sum"] = append(slices.Clone(labels), "le"), labels, labels
		}
	}
	if len(metrics) < 60 {
		t.Fatalf("only %d metrics are documented", len(metrics))
	}
	return metrics
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	selector = regexp.MustCompile(`\b(usher_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|on|group_left|without|ignoring)\s*\(([^)]*)\)`)
)

// check complains about metrics that do not exist, and labels that they do not have.
func check(t *testing.T, metrics map[string][]string, where, expr string) {
	t.Helper()
	allowed := []string{"job", "instance"} // of the target
	own := allowed
	recorded := regexp.MustCompile(`\bjob:[\w:]+`).ReplaceAllString(expr, "") // checked where they are recorded
	for _, m := range selector.FindAllStringSubmatch(recorded, -1) {
		labels, ok := metrics[m[1]]
		if !ok {
			t.Errorf("%s: no metric is called %s", where, m[1])
		}
		own = append(slices.Clone(own), labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(slices.Clone(allowed), labels...), l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(g[1], ",") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(own, l) {
				t.Errorf("%s: nothing in it has a label %s", where, l)
			}
		}
	}
}

// TestQueries: the dashboard names metrics and labels that exist, and all metrics of requests.
func TestQueries(t *testing.T) {
	metrics := documented(t)
	for _, r := range dashboard() {
		for _, p := range r.panels {
			if p.title == "" || len(p.queries) == 0 || p.unit == "" || p.wide == 0 {
				t.Errorf("%s: the panel %q is not complete", r.title, p.title)
			}
			for _, q := range p.queries {
				check(t, metrics, p.title, q.expr)
				if !strings.Contains(q.expr, `{job=~"$job",instance=~"$instance"`) {
					t.Errorf("%s: the query is not about the selected instances: %s", p.title, q.expr)
				}
				for _, l := range placeholder.FindAllStringSubmatch(q.legend, -1) {
					if l[1] != "instance" && !regexp.MustCompile(`\b`+l[1]+`\b`).MatchString(q.expr) && !slices.ContainsFunc(selector.FindAllStringSubmatch(q.expr, -1), func(m []string) bool { return slices.Contains(metrics[m[1]], l[1]) }) {
						t.Errorf("%s: no series has the label %s of the legend", p.title, l[1])
					}
				}
			}
		}
	}
}

// TestCheckFinds: the check of queries finds what it is for.
func TestCheckFinds(t *testing.T) {
	metrics := map[string][]string{"usher_requests_total": {"code"}, "up": nil}
	for expr, good := range map[string]bool{
		`sum by (code, job) (rate(usher_requests_total{code="x"}[5m]))`: true,
		`usher_request_total`:                         false,
		`usher_requests_total{outcome="x"}`:           false,
		`sum by (outcome) (usher_requests_total)`:     false,
		`usher_requests_total and on (instance) up{}`: true,
	} {
		probe := &testing.T{}
		check(probe, metrics, "here", expr)
		if probe.Failed() == good {
			t.Errorf("%s: found fault: %t", expr, probe.Failed())
		}
	}
}

// TestRules: alert rules name metrics and labels that exist, say what to do, and have a section
// in docs/how-to/alerts.md. promtool tests what they compute.
func TestRules(t *testing.T) {
	metrics := documented(t)
	text := read(t, rules)
	sections := regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(read(t, docs+"how-to/alerts.md"), -1)
	tests := read(t, "../../deploy/prometheus/usher.rules.test.yaml")
	var alerts []string
	for _, rule := range regexp.MustCompile(`(?m)^      - `).Split(text, -1)[1:] {
		name := regexp.MustCompile(`^(?:alert|record): (\S+)`).FindStringSubmatch(rule)[1]
		expr, _, _ := strings.Cut(rule[strings.Index(rule, "expr:"):], "        labels:")
		check(t, metrics, name, expr)
		if !strings.HasPrefix(rule, "alert:") {
			continue
		}
		alerts = append(alerts, name)
		if !regexp.MustCompile(`severity: (critical|warning|info)\n`).MatchString(rule) || !strings.Contains(rule, "summary: ") || !strings.Contains(rule, "description: ") {
			t.Errorf("%s: severity, summary or description is missing", name)
		}
		if !strings.Contains(rule, "runbook: docs/how-to/alerts.md#"+strings.ToLower(name)+"\n") {
			t.Errorf("%s: the link to its section is missing", name)
		}
		if !strings.Contains(tests, `alertname="`+name+`",alertstate="firing"`) {
			t.Errorf("%s: no case of %s lets it fire", name, "usher.rules.test.yaml")
		}
	}
	var described []string
	for _, s := range sections {
		described = append(described, s[1])
	}
	if !slices.Equal(alerts, described) || len(alerts) < 40 {
		t.Errorf("the rules have the alerts\n%q\nand docs/how-to/alerts.md has sections of\n%q", alerts, described)
	}
}

// TestGrafana: the file is valid and up to date, and panels do not overlap.
func TestGrafana(t *testing.T) {
	data, err := grafanaJSON(dashboard())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, []byte(read(t, "../../deploy/grafana/usher.json"))) {
		t.Error("deploy/grafana/usher.json differs from the table of panels: run go generate ./scripts/dashboard")
	}
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > columns {
			t.Errorf("%s: its id is not its own, or it is too wide", p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok {
					t.Fatalf("%s and %s overlap", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}
