package gateway

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"usher/app/checkup/finding"
	"usher/internal/fault"
)

// JudgeClient appends what is wrong with the certificate in a file, with which a client
// connects, and returns whose it is, to end the text of another finding. Without a file, or
// without a certificate in it, it does nothing.
func JudgeClient(f *finding.List, check, file string, now time.Time) string {
	text, err := os.ReadFile(file) //nolint:gosec // the path is the operator's
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	inTime(f, check, file, "renew it", leaf, now)
	if !allows(leaf, x509.ExtKeyUsageClientAuth) {
		f.Fail(fault.Config, check, file, "issue it with the extended key usage clientAuth", "%s is not for clients: servers refuse it", describe(leaf))
	}
	return fmt.Sprintf("; connected with %s, for %s", describe(leaf), names(leaf))
}
