package assembly

import (
	"runtime"

	"usher/app/config"
)

// Workers returns how many requests compute at once.
func Workers(cfg *config.Config) int {
	if cfg.Callout.Workers > 0 {
		return cfg.Callout.Workers
	}
	return max(4, 2*runtime.GOMAXPROCS(0))
}
