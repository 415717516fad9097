package main

import (
	"usher/app/config"
	"usher/internal/fault"
	"usher/issuer"
)

// openFiles says if there are too few of them for NATS and the listeners. The
// limit is that of this process: whoever starts the service may set another.
func (f *findings) openFiles(cfg *config.Config, keys *issuer.Keyring) {
	limit, known := maxOpenFiles()
	if !known {
		return
	}
	const check = "open files"
	switch n, err := shareFiles(cfg, keys, limit); {
	case err != nil:
		f.fail(fault.Config, check, "", hintFiles, "%v, if usher serve is started as usher check was", err)
	case n.reduced():
		f.warn(check, "", hintFiles, "%d, if usher serve is started as usher check was: http.listen holds %d connections and api.listen %d", limit, n.web, n.api)
	}
}
