package checkup

import (
	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/issuer"
)

// checkOpenFiles checks that the limit of open files is high enough for NATS and the
// listeners. It sees the limit of this process; the service may have another.
func checkOpenFiles(f *finding.List, cfg *config.Config, keys *issuer.Keyring) {
	limit, known := assembly.MaxOpenFiles()
	if !known {
		return
	}
	const check = "open files"
	switch n, err := assembly.ShareDescriptors(cfg, keys, limit); {
	case err != nil:
		f.Fail(fault.Config, check, "", assembly.HintOpenFiles, "%v, if usher serve is started as usher check was", err)
	case n.Reduced():
		f.Warn(check, "", assembly.HintOpenFiles, "%d, if usher serve is started as usher check was: http.listen holds %d connections, api.listen %d, and api.x509.listen %d", limit, n.Web, n.API, n.X509)
	}
}
