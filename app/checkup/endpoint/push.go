package endpoint

import (
	"fmt"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
)

// CheckPush checks the certificates of the section push: that of the push service, and those
// that usher shows to push servers.
func CheckPush(f *finding.List, cfg *config.Config) {
	const check = "push certificate"
	c := certificateCheck{List: f, now: time.Now}
	if g := &cfg.Push.GRPC; g.Listen != "" {
		c.listener(check, "push.grpc.tls", &g.TLS, cfg.Keyring.AllowGroupReadable)
	}
	for i := range cfg.Push.Servers {
		s := &cfg.Push.Servers[i]
		c.listener(check, fmt.Sprintf("push.servers[%d]", i), &config.APITLS{CertFile: s.CertFile, KeyFile: s.KeyFile}, cfg.Keyring.AllowGroupReadable)
	}
}
