// Package pushheaders checks, for usher check, the files of pushes, and that the keyring opens
// the authorization headers of push endpoints in the directory. It opens none itself, and
// changes nothing.
package pushheaders

import (
	"crypto/rand"
	"strings"
	"time"

	"usher/api/push"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/push/service"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/plural"
	"usher/issuer"
)

const headers = "push headers"

const files = "push"

// CheckFiles checks the files that the section push names.
func CheckFiles(f *finding.List, cfg *config.Push) {
	if _, err := service.NewClient(cfg); err != nil {
		f.Fail(fault.Config, files, "", "a running usher keeps what it has read; a restart would fail", "%v", err)
	}
}

const named = 5 // subscriptions that a finding names

// Check appends what it finds to f; nothing if no endpoint has a header. s may be nil.
func Check(f *finding.List, keys *issuer.Keyring, s *snapshot.Snapshot) {
	if s == nil {
		return
	}
	total := count(s)
	if total == 0 {
		return
	}
	_, lost := push.Opens(s, keys.Signers())
	stale := push.Stale(s, service.NewBox(func() *issuer.Keyring { return keys }, rand.Reader, time.Now))
	switch {
	case len(lost) > 0:
		f.Fail(fault.Config, headers, "", "is this the keyring of usher serve? Only if the old key is lost: usher subscription push rotate-header makes another header, which the receiver has to know",
			"the keyring opens no header of %s: %s; nothing is pushed to them", plural.Count(len(lost), "subscription"), list(lost))
	case len(stale) > 0:
		f.Warn(headers, "", "a running usher serve does it, unless the directory is a file; its log says why it has not",
			"the headers of %s are not sealed for exactly the signing keys of the keyring: %s", plural.Count(len(stale), "subscription"), list(stale))
	default:
		f.OK(headers, "", "the keyring opens %s", plural.Count(total, "authorization header"))
	}
}

func count(s *snapshot.Snapshot) (n int) {
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			if x := p.Subscriptions[i].Push; x != nil && x.Authorization != nil {
				n++
			}
		}
	}
	return n
}

// list names the first subscriptions.
func list(names []string) string {
	if len(names) > named {
		return strings.Join(names[:named], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
