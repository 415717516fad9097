package checkup

import (
	"context"

	"usher/app/assembly"
	"usher/app/checkup/endpoint"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
)

// checkVerifiers checks the files of the section credentials and, unless offline, the
// systems that verifiers ask.
func checkVerifiers(ctx context.Context, f *finding.List, cfg *config.Config, keys *issuer.Keyring, s *snapshot.Snapshot, offline bool) {
	chain, err := assembly.Verifiers(cfg, keys, s)
	switch {
	case err != nil:
		f.Failed("verifier", err)
	case !offline:
		endpoint.CheckVerifiers(ctx, f, chain)
	}
}
