package endpoint

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

func TestCheckCollector(t *testing.T) {
	t.Parallel()
	good, refusing := apptest.StartCollector(t), apptest.StartCollector(t)
	refusing.Refuse(http.StatusForbidden, "")
	readable := filepath.Join(t.TempDir(), "headers")
	callouttest.Must(t, os.WriteFile(readable, []byte("authorization: x"), 0o644))
	for name, tt := range map[string]struct {
		cfg      config.Tracing
		severity finding.Severity
		detail   string
		kind     fault.Kind
	}{
		"good":    {config.Tracing{Endpoint: good.URL}, "ok", "the collector accepts traces", fault.None},
		"refuses": {config.Tracing{Endpoint: refusing.URL}, "warning", "the collector does not accept traces: " + refusing.URL + "/v1/traces returns HTTP 403", fault.None},
		"other":   {config.Tracing{Endpoint: good.URL + "/other"}, "warning", "/other/v1/traces returns HTTP 400", fault.None},
		"down":    {config.Tracing{Endpoint: fmt.Sprintf("http://127.0.0.1:%d", callouttest.FreePort(t))}, "warning", "connection refused", fault.None},
		"file":    {config.Tracing{Endpoint: good.URL, HeadersFile: readable}, "error", "tracing.headers_file: ", fault.Config},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f finding.List
			CheckCollector(t.Context(), &f, &config.Config{Tracing: tt.cfg}, false)
			findingtest.Holds(t, f, tt.kind, "tracing", tt.severity, tt.detail)
		})
	}
	var f finding.List
	CheckCollector(t.Context(), &f, &config.Config{}, false)
	CheckCollector(t.Context(), &f, &config.Config{Tracing: config.Tracing{Endpoint: refusing.URL}}, true)
	if f != nil {
		t.Errorf("off and offline: %+v", f)
	}
}
