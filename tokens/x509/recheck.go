package x509

import (
	"usher/directory"
	"usher/identity"
	"usher/tokens"
)

// Recheck implements tokens.Rechecker. Without the certificate nothing tells whether that
// has been revoked.
func (v *Verifier) Recheck(c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	ofDirectory := id.Authority == identity.AuthorityDirectory
	switch {
	case ofDirectory != (v.cfg.Identity == BySubject), !ofDirectory && id.Authority != identity.Authority(v.cfg.Name):
		return identity.Identity{}, tokens.Reject(tokens.CodeNotConfigured, "certificates give other identities than they did", id)
	case !ofDirectory:
		return id, nil
	}
	again, err := tokens.RecheckKey(c.Directory(v.cfg.Snapshot), c, id, directory.KeyCertificate, CodeUnknownSubject, v.cfg.Now())
	again.NotAfter = tokens.Earlier(again.NotAfter, id.NotAfter) // which may be that of the certificate
	return again, err
}
