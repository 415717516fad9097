package checkup

import (
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/plural"
)

// checkKeysOff finds keys of the directory that nobody can use, because the configuration
// does not accept their kind.
func checkKeysOff(f *finding.List, where string, cfg *config.Config, s *snapshot.Snapshot) {
	var passwords, certificates int
	for u := range s.Users() {
		for i := range u.Keys {
			switch u.Keys[i].Kind() {
			case directory.KeyPassword:
				passwords++
			case directory.KeyCertificate:
				certificates++
			case directory.KeyAPI, directory.KeyNKey, directory.KeyBinding: // always accepted
			}
		}
	}
	const subject = "subject" // the only identity of a certificate that is a user's
	if passwords > 0 && !cfg.Credentials.Password.Enabled {
		f.Warn("directory", where, "set credentials.password.enabled: true",
			"%s, but no client can connect with one", plural.Count(passwords, "password"))
	}
	if certificates > 0 && cfg.Credentials.X509.Identity != subject {
		f.Warn("directory", where, "set credentials.x509.identity: subject",
			"%s of users, but no client can connect with one", plural.Count(certificates, "certificate"))
	}
}
