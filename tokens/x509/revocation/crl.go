package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// skew is how far the clock of a CA may be ahead.
const skew = 5 * time.Minute

// crl is a CRL whose form has been checked.
type crl struct {
	parsed  *x509.RevocationList // without its entries
	revoked map[string]struct{}  // serial numbers, big-endian
	points  []string             // URIs of the distribution points it is for; empty: all
	scoped  bool                 // it is for points only
	users   bool                 // it lists certificates of clients only
}

// Extensions of CRLs (RFC 5280 sections 5.2 and 5.3).
var (
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDeltaCRL       = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// issuingPoint is IssuingDistributionPoint of RFC 5280 section 5.2.5.
type issuingPoint struct {
	Point struct {
		FullName     []asn1.RawValue  `asn1:"optional,tag:0"`
		RelativeName pkix.RDNSequence `asn1:"optional,tag:1"`
	} `asn1:"optional,tag:0"`
	OnlyUsers      bool           `asn1:"optional,tag:1"`
	OnlyCAs        bool           `asn1:"optional,tag:2"`
	SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

// parseCRL reads a complete CRL in PEM or DER. It does not check the signature.
func parseCRL(raw []byte) (*crl, error) {
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	list, err := x509.ParseRevocationList(raw)
	if err != nil {
		return nil, fmt.Errorf("not a CRL: %w", err)
	}
	if list.NextUpdate.IsZero() {
		return nil, errors.New("the CRL does not say until when it is good")
	}
	c := &crl{parsed: list, revoked: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDeltaCRL):
			return nil, errors.New("the CRL is a delta CRL")
		case e.Id.Equal(oidIssuingPoint):
			if err := c.limitTo(e.Value); err != nil {
				return nil, err
			}
		case e.Critical && !e.Id.Equal(oidAuthorityKeyID) && !e.Id.Equal(oidCRLNumber):
			return nil, fmt.Errorf("the CRL has an unknown critical extension %s", e.Id)
		}
	}
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		if slices.ContainsFunc(e.Extensions, func(x pkix.Extension) bool { return x.Critical }) {
			return nil, errors.New("the CRL has an entry with a critical extension")
		}
		c.revoked[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	list.RevokedCertificateEntries = nil
	return c, nil
}

// limitTo reads for which certificates the CRL is.
func (c *crl) limitTo(der []byte) error {
	var p issuingPoint
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return errors.New("the CRL has an unreadable distribution point")
	}
	if p.OnlyCAs || p.OnlyAttributes || p.Indirect || p.SomeReasons.BitLength > 0 {
		return errors.New("the CRL does not cover all revocations of the certificates of clients")
	}
	c.users, c.scoped = p.OnlyUsers, p.Point.FullName != nil || p.Point.RelativeName != nil
	for _, n := range p.Point.FullName {
		if n.Class == asn1.ClassContextSpecific && n.Tag == 6 {
			c.points = append(c.points, string(n.Bytes))
		}
	}
	return nil
}

// covers returns an error if the CRL cannot tell about cert now. The signature has to be
// checked besides.
func (c *crl) covers(cert, issuer *x509.Certificate, now time.Time) error {
	switch {
	case !bytes.Equal(c.parsed.RawIssuer, issuer.RawSubject):
		return errors.New("the CRL is of another CA")
	case now.Add(skew).Before(c.parsed.ThisUpdate):
		return errors.New("the CRL is of the future")
	case !now.Before(c.parsed.NextUpdate):
		return errors.New("the CRL has expired")
	case c.users && cert.IsCA:
		return errors.New("the CRL is for certificates of clients only")
	case c.scoped && !slices.ContainsFunc(c.points, func(p string) bool { return slices.Contains(cert.CRLDistributionPoints, p) }):
		return errors.New("the CRL is for other certificates of the CA")
	default:
		return nil
	}
}

func (c *crl) check(cert *x509.Certificate) error {
	if _, revoked := c.revoked[string(cert.SerialNumber.Bytes())]; revoked {
		return fmt.Errorf("%w: it is in the CRL of %s", ErrRevoked, c.parsed.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkCRL asks the files, and then the distribution points that may be asked.
func (c *Checker) checkCRL(ctx context.Context, cert, issuer *x509.Certificate, wait bool) error {
	list, err := c.files.find(cert, issuer, c.cfg.Now())
	if list != nil {
		return list.check(cert)
	}
	for _, at := range cert.CRLDistributionPoints {
		if !c.hosts.allows(at) {
			continue
		}
		var fetched *crl
		fetched, err = c.crls.get(ctx, at+"\x00"+string(issuer.RawSubjectPublicKeyInfo), wait, func(ctx context.Context) (*crl, time.Time, error) {
			return c.fetchCRL(ctx, at, cert, issuer)
		})
		if err == nil {
			err = fetched.covers(cert, issuer, c.cfg.Now())
		}
		if err == nil {
			return fetched.check(cert)
		}
		if errors.Is(err, errWouldWait) {
			return err
		}
	}
	return err
}

func (c *Checker) fetchCRL(ctx context.Context, at string, cert, issuer *x509.Certificate) (*crl, time.Time, error) {
	raw, _, err := c.hosts.do(ctx, http.MethodGet, at, "", nil, c.cfg.MaxCRL)
	if err != nil {
		return nil, time.Time{}, err
	}
	list, err := parseCRL(raw)
	if err == nil {
		err = list.covers(cert, issuer, c.cfg.Now())
	}
	if err == nil {
		err = list.parsed.CheckSignatureFrom(issuer)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%s: %w", at, err)
	}
	return list, list.parsed.NextUpdate, nil
}
