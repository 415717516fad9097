package metrics_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/internal/metrics"
)

var codes = []metrics.Code{{Outcome: "granted", Code: "granted"}, {Outcome: "denied", Code: "key_unknown"}, {Outcome: "shed", Code: "too_late"}}

// values gathers every sample as "name{label=value,…} value".
func values(t *testing.T, reg *prometheus.Registry) []string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := fmt.Sprint(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			if h := m.GetHistogram(); h != nil {
				value = fmt.Sprintf("%d times %.3f", h.GetSampleCount(), h.GetSampleSum())
			}
			out = append(out, fmt.Sprintf("%s{%s} %s", f.GetName(), strings.Join(labels, ","), value))
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := metrics.New(reg, codes)
	m.Request("granted")
	m.Request("granted")
	m.Request("too_late")
	m.Request("unknown_code") // counts nothing, and makes no label
	m.Verifiers([]string{"apikey", "oidc"}, []string{"granted", "denied"})
	m.Verified("oidc", "granted")
	m.Verified("", "denied")        // no verifier decided
	m.Verified("oidc", "undecided") // counts nothing, and makes no label
	m.Admitted()
	m.Admitted()
	m.Finished()
	m.DecisionStarted()
	m.DecisionStarted()
	m.DecisionStarted()
	m.DecisionEnded()
	m.Step(metrics.StepVerify, 20*time.Millisecond, "", time.Time{})
	m.Step(metrics.StepVerify, 30*time.Millisecond, "", time.Time{})
	want := []string{
		"usher_requests_in_flight{} 1",
		"usher_requests_total{code=key_unknown,outcome=denied} 0", // exported from the start, so that its rate is right
		"usher_requests_total{code=granted,outcome=granted} 2",
		"usher_requests_total{code=too_late,outcome=shed} 1",
		"usher_requests_working{} 2",
		"usher_step_duration_seconds{step=derive} 0 times 0.000",
		"usher_step_duration_seconds{step=issue} 0 times 0.000",
		"usher_step_duration_seconds{step=open} 0 times 0.000",
		"usher_step_duration_seconds{step=queue} 0 times 0.000",
		"usher_step_duration_seconds{step=total} 0 times 0.000",
		"usher_step_duration_seconds{step=verify} 2 times 0.050",
		"usher_verifier_requests_total{outcome=denied,verifier=apikey} 0",
		"usher_verifier_requests_total{outcome=denied,verifier=oidc} 0",
		"usher_verifier_requests_total{outcome=granted,verifier=apikey} 0",
		"usher_verifier_requests_total{outcome=granted,verifier=oidc} 1",
	}
	got := values(t, reg)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The buckets reach from an in-memory check to beyond the budget of 2 s.
func TestBuckets(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	metrics.New(reg, codes).Step(metrics.StepTotal, time.Second, "", time.Time{})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				b := h.GetBucket()
				if first, last := b[0].GetUpperBound(), b[len(b)-1].GetUpperBound(); first > 50e-6 || last < 1.5 {
					t.Errorf("buckets from %v to %v seconds", first, last)
				}
			}
		}
	}
}

// Names and help follow the Prometheus conventions: a prefix, and _total for counters.
func TestNames(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	metrics.New(reg, codes)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		counter, total := f.GetMetric()[0].GetCounter() != nil, strings.HasSuffix(f.GetName(), "_total")
		if !strings.HasPrefix(f.GetName(), "usher_") || f.GetHelp() == "" || counter != total {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
}

func TestRegisterTwice(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	metrics.New(reg, codes)
	defer func() {
		if recover() == nil {
			t.Error("registering the same metrics twice does not panic")
		}
	}()
	metrics.New(reg, codes)
}

func TestConcurrentCounting(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := metrics.New(reg, codes)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				m.Admitted()
				m.Request("granted")
				m.Step(metrics.StepTotal, time.Millisecond, "", time.Time{})
				m.Finished()
			}
		})
	}
	wg.Wait()
	got := values(t, reg)
	for _, want := range []string{"usher_requests_total{code=granted,outcome=granted} 4000", "usher_requests_in_flight{} 0"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// A State is read when it is scraped, not before.
func TestState(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	users, reads := 3.0, 0
	metrics.RegisterState(reg,
		metrics.State{Name: "usher_directory_users", Help: "Users.", Read: func() []metrics.Sample {
			reads++
			return []metrics.Sample{{Value: users}}
		}},
		metrics.State{Name: "usher_key_age_seconds", Help: "Age.", Labels: []string{"kind", "key"}, Read: func() []metrics.Sample {
			return []metrics.Sample{{Labels: []string{"issuer", "A1"}, Value: 1}, {Labels: []string{"xkey", "X1"}, Value: 2}}
		}},
		metrics.State{Name: "usher_nothing", Help: "Nothing.", Read: func() []metrics.Sample { return nil }},
	)
	if reads != 0 {
		t.Error("read before it was scraped")
	}
	for _, n := range []float64{3, 4} {
		users = n
		want := []string{
			fmt.Sprintf("usher_directory_users{} %v", n),
			"usher_key_age_seconds{key=A1,kind=issuer} 1", "usher_key_age_seconds{key=X1,kind=xkey} 2",
		}
		if got := values(t, reg); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Exemplars have the request id, at most one a second for durations alike, and only scrapers
// that ask for OpenMetrics get them.
func TestExemplars(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := metrics.New(reg, codes)
	observeAPI := metrics.NewAPI(reg)
	at := time.Unix(1_700_000_000, 0)
	m.Step(metrics.StepTotal, 100*time.Microsecond, "first", at)
	m.Step(metrics.StepTotal, 101*time.Microsecond, "soon", at.Add(time.Millisecond))
	m.Step(metrics.StepTotal, 300*time.Millisecond, "slow", at.Add(time.Millisecond))
	m.Step(metrics.StepVerify, 100*time.Microsecond, "old", at)
	m.Step(metrics.StepVerify, 100*time.Microsecond, "new", at.Add(time.Second))
	m.Step(metrics.StepOpen, 0, "nothing", at)
	m.Step(metrics.StepOpen, -time.Second, "backwards", at)
	observeAPI(metrics.APIRequest{ID: "api", Route: "user.show", Status: 200, Took: time.Millisecond, At: at})
	scrape := func(accept string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		metrics.Handler(reg).ServeHTTP(w, r)
		return w.Body.String()
	}
	text := scrape("application/openmetrics-text; version=1.0.0")
	for _, id := range []string{"first", "slow", "new", "nothing", "api"} {
		if !strings.Contains(text, `# {request_id="`+id+`"}`) {
			t.Errorf("no exemplar of the request %s in\n%s", id, text)
		}
	}
	for _, id := range []string{"soon", "old", "backwards"} {
		if strings.Contains(text, id) {
			t.Errorf("an exemplar of the request %s in\n%s", id, text)
		}
	}
	if text := scrape("text/plain"); strings.Contains(text, "request_id") {
		t.Errorf("plain text has exemplars:\n%s", text)
	}
}

// A process says whether it is ready, with the version and the usual metrics.
func TestProcess(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	var ready error
	metrics.RegisterProcess(reg, "1.2.3", func() error { return ready })
	for want, err := range map[string]error{"usher_ready{} 1": nil, "usher_ready{} 0": errors.New("not yet")} {
		ready = err
		if got := values(t, reg); !slices.Contains(got, want) || !slices.Contains(got, "usher_build_info{version=1.2.3} 1") {
			t.Errorf("no %s in %q", want, got)
		}
	}
}

// BenchmarkStep measures what a request costs beside a plain observation.
func BenchmarkStep(b *testing.B) {
	m := metrics.New(prometheus.NewRegistry(), codes)
	at := time.Unix(1_700_000_000, 0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Step(metrics.StepTotal, 100*time.Microsecond, "0123456789abcdef01234567", at)
		}
	})
}
