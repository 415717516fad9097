package assembly

import (
	"usher/tokens"
	"usher/tokens/nkey"
)

// nkeyVerifiers needs no configuration: the nkeys are in the directory.
func nkeyVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	return []tokens.Verifier{nkey.NewVerifier(in.snapshot, in.now)}, nil
}
