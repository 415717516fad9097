package x509

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"usher/identity"
	"usher/tokens"
)

// confirms reports whether the certificate matters beside another credential. Usher's
// own health check may use a certificate that belongs to nobody.
func (v *Verifier) confirms(c *tokens.Credential, id *identity.Identity) bool {
	return len(c.VerifiedChains) > 0 && v.cfg.WithToken != WithTokenIgnore && id.Method != identity.MethodHealthCheck && id.Method != identity.MethodService
}

// Confirm implements tokens.Confirmer.
func (v *Verifier) Confirm(ctx context.Context, c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	switch {
	case !v.confirms(c, &id):
		return id, nil
	case v.cfg.WithToken == WithTokenAlone:
		return id, tokens.Reject(CodeBesideToken, "a client with a certificate may present nothing else", id)
	}
	own, err := v.verify(ctx, v.certificateOf(c), c)
	if err != nil {
		return id, err
	}
	of, by := own.Name, id.Name
	if v.cfg.Identity != BySubject {
		of = own.ID
	}
	if by == "" {
		by = id.ID
	}
	if v.cfg.AgreeOn != "" {
		by = text(id.Attributes, strings.Split(v.cfg.AgreeOn, "."))
	}
	if of == "" || of != by {
		return id, tokens.Reject(CodeDisagrees, fmt.Sprintf("the certificate is of %q, and the other credential of %q", of, by), id)
	}
	id.Attributes = maps.Clone(id.Attributes)
	if id.Attributes == nil {
		id.Attributes = identity.Attributes{}
	}
	maps.Copy(id.Attributes, own.Attributes)
	if id.NotAfter.IsZero() || own.NotAfter.Before(id.NotAfter) {
		id.NotAfter = own.NotAfter
	}
	return id, nil
}

// SlowToConfirm implements tokens.Confirmer.
func (v *Verifier) SlowToConfirm(c *tokens.Credential, id *identity.Identity) bool {
	return v.cfg.WithToken == WithTokenAgree && v.confirms(c, id) && v.waits(c)
}

// text returns the text at a path of facts, or an empty one.
func text(facts map[string]any, path []string) string {
	if len(path) == 1 {
		t, _ := facts[path[0]].(string)
		return t
	}
	next, _ := facts[path[0]].(map[string]any)
	return text(next, path[1:])
}
