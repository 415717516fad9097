package tokens

import (
	"net/netip"
	"time"

	"usher/directory"
	"usher/identity"
)

// Codes of CheckKey, and of a credential whose user name selects nothing.
const (
	CodeKeyDisabled    = "key_disabled"
	CodeKeyNotYetValid = "key_not_yet_valid"
	CodeKeyExpired     = "key_expired"
	CodeKeyNetwork     = "key_network"
	CodeSelection      = "empty_selection"
)

// CheckKey returns a Reason with id if a key of the directory, of whatever kind, may not
// be used now or from the client's address, or if its user may not connect.
func CheckKey(rec directory.KeyRecord, c *Credential, id identity.Identity, now time.Time) error {
	if err := CheckUser(rec.User, id); err != nil {
		return err
	}
	k := rec.Key
	switch {
	case k.Disabled:
		return Reject(CodeKeyDisabled, "the key is disabled", id)
	case !k.NotBefore.IsZero() && now.Before(k.NotBefore):
		return Reject(CodeKeyNotYetValid, "the key is not valid before "+k.NotBefore.Format(time.RFC3339), id)
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return Reject(CodeKeyExpired, "the key expired at "+k.Expires.Format(time.RFC3339), id)
	case !within(c.Addr(), k.Networks):
		return Reject(CodeKeyNetwork, "the key may not be used from this address", id)
	}
	return nil
}

// within reports whether a is in one of networks, or networks is empty. The zero Addr,
// of a client whose address is unknown, is in no network.
func within(a netip.Addr, networks []netip.Prefix) bool {
	if len(networks) == 0 {
		return true
	}
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
