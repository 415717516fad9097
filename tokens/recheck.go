package tokens

import (
	"fmt"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
)

// Rechecker is a Verifier that can say without the secret whether a credential that it has
// verified is still good.
type Rechecker interface {
	Verifier
	// Recheck returns the identity that the credential of id gives now, on the directory of
	// c, with the selection of id. Of c it reads nothing that the client presented, but its
	// address. It returns at once. Its errors are those of Verify.
	Recheck(c *Credential, id identity.Identity) (identity.Identity, error)
}

// CodeNotConfigured is the code of a credential whose verifier or authority is not
// configured any more.
const CodeNotConfigured = "authority_not_configured"

// Recheck asks verifier by about the credential of id, an identity that it returned and the
// chain confirmed. The identity of a verifier that cannot tell is good until its end. The
// errors are those of Verify.
func (ch Chain) Recheck(c *Credential, by string, id identity.Identity, now time.Time) (identity.Identity, error) {
	again, found, confirmed := id, false, false
	for _, v := range ch {
		if v.Name() != by {
			_, ok := v.(Confirmer)
			confirmed = confirmed || ok
			continue
		}
		found = true
		if r, ok := v.(Rechecker); ok {
			var err error
			if again, err = decided(r.Recheck(c, id)); err != nil {
				return identity.Identity{}, err
			}
		}
	}
	if !found {
		return identity.Identity{}, Reject(CodeNotConfigured, fmt.Sprintf("the verifier %q is not configured any more", by), id)
	}
	if confirmed { // what was presented beside the credential may end sooner
		again.NotAfter = Earlier(again.NotAfter, id.NotAfter)
	}
	if !again.NotAfter.IsZero() && !now.Before(again.NotAfter) {
		return identity.Identity{}, Reject(CodeExpired, "the credential ended at "+again.NotAfter.Format(time.RFC3339), id)
	}
	return again, nil
}

// CodeExpired is the code of a credential that has ended since it was verified.
const CodeExpired = "credential_expired"

// Earlier returns the earlier of two ends; zero: none.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// RecheckKey is Recheck for keys of the directory of one kind. It rejects a key that is gone
// or has another secret with the code unknown. A key of the user that has got another id, as
// in the grace period after its replacement, is still the same one; the identity has that id.
func RecheckKey(s *snapshot.Snapshot, c *Credential, id identity.Identity, kind directory.KeyKind, unknown string, now time.Time) (identity.Identity, error) {
	if s == nil {
		return identity.Identity{}, fmt.Errorf("%w: no directory is loaded", ErrUnavailable)
	}
	u, ok := s.User(id.Name)
	if !ok {
		return identity.Identity{}, gone(s.HasUnreadable(directory.KindUser), unknown, "the user is not in the directory any more", id)
	}
	for i := range u.Keys {
		k := &u.Keys[i]
		if k.Kind() != kind || id.KeyPrint == 0 && id.KeyID != k.ID || id.KeyPrint != 0 && id.KeyPrint != k.Print() {
			continue
		}
		id.NotAfter, id.Networks, id.KeyID, id.KeyPrint = k.Expires, k.Networks, k.ID, k.Print()
		return id, CheckKey(directory.KeyRecord{User: u, Key: k}, c, id, now)
	}
	return identity.Identity{}, gone(s.Unreadable(directory.KeyKey(u.ID, id.KeyID)), unknown, "the user does not have this key any more", id)
}

// gone returns the rejection of what the directory does not have, unless an unreadable
// entry may be it.
func gone(mayBeUnreadable bool, code, cause string, id identity.Identity) error {
	if mayBeUnreadable {
		return fmt.Errorf("%w: %s, and an entry cannot be read", ErrUnavailable, cause)
	}
	return Reject(code, cause, id)
}

// MayBe reports whether a credential without auth_token has what may be one of this method,
// beside a user name.
func (c *Credential) MayBe(m identity.Method) bool {
	switch m {
	case identity.MethodNKey:
		return c.NKey != ""
	case identity.MethodNATSJWT:
		return c.NATSJWT != ""
	case identity.MethodCertificate:
		return len(c.VerifiedChains) > 0
	case identity.MethodAnonymous:
		return false
	case identity.MethodAPIKey, identity.MethodPassword, identity.MethodOIDC, identity.MethodIntrospection,
		identity.MethodKubernetes, identity.MethodAutomate, identity.MethodWebhook, identity.MethodHealthCheck, identity.MethodService:
	}
	return c.Password != ""
}
