package endpoint

import (
	"path/filepath"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// TestCheckPush: the certificates of the push service and of each push server are checked.
func TestCheckPush(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "mine")
	none := filepath.Join(t.TempDir(), "none.pem")
	checked := func(p *config.Push) (f finding.List) {
		cfg := config.Default()
		cfg.Push = *p
		CheckPush(&f, &cfg)
		return f
	}
	if f := checked(&config.Push{GRPC: config.PushGRPC{TLS: config.APITLS{CertFile: none, KeyFile: none}}}); f != nil {
		t.Errorf("no push service and no push servers: %+v", f)
	}
	service := config.PushGRPC{Listen: "127.0.0.1:0", TLS: config.APITLS{CertFile: cert, KeyFile: key}}
	findingtest.Holds(t, checked(&config.Push{GRPC: service}), fault.None, "push certificate", finding.Warning, "ends at ") // valid for one day
	service.TLS.CertFile = none
	findingtest.Holds(t, checked(&config.Push{GRPC: service}), fault.Config, "push certificate", finding.Error, "none.pem")

	f := checked(&config.Push{Servers: []config.PushServer{{CertFile: cert, KeyFile: key}, {CertFile: cert, KeyFile: none}}})
	if len(f) != 2 {
		t.Fatalf("%+v", f)
	}
	findingtest.Holds(t, f[:1], fault.None, "push certificate", finding.Warning, "ends at ")
	findingtest.Holds(t, f[1:], fault.Config, "push certificate", finding.Error, "key_file: cannot be read")
}
