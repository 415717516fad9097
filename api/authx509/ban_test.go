package authx509_test

import (
	"net/http"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// A ban of a certificate holds here too: the key would be another credential, which the ban does
// not name. Another certificate of the same binding is good.
//
// Attack: a client whose certificate is banned gets a key with it, and connects with that
// Held by: the digest of the certificate is looked up at each login
func TestBannedCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	banned, other := s.cert("pia", nil), s.cert("pia", nil)
	b := &directory.Ban{
		Target: directory.BanTarget{Digest: directory.DigestOf(string(banned.Cert.Raw))},
		Reason: "stolen", Created: s.clock(), Until: s.clock().Add(time.Hour),
	}
	_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.BanKey("stolen"), b), nil
	})
	callouttest.Must(t, err)
	if got := s.login(banned); got.code != http.StatusForbidden || len(s.keys("pia")) != 0 {
		t.Errorf("banned: %+v, %d keys", got, len(s.keys("pia")))
	}
	if got := s.login(other); got.code != http.StatusOK {
		t.Errorf("another certificate: %+v", got)
	}
}
