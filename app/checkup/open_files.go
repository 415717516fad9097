package checkup

import (
	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/issuer"
)

// checkOpenFiles says if there are too few of them for NATS and the listeners. The
// limit is that of this process: whoever starts the service may set another.
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
		f.Warn(check, "", assembly.HintOpenFiles, "%d, if usher serve is started as usher check was: http.listen holds %d connections and api.listen %d", limit, n.Web, n.API)
	}
}
