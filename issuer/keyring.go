package issuer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Keyring is an immutable set of signing keys and xkeys. It selects the keys that a
// request asks for, so that servers on the old key and servers on the new key are
// served at the same time. Safe for concurrent use.
type Keyring struct {
	signers  map[string]Signer
	xkeys    []*XKey
	keys     []Key
	accounts map[string]Account // operator mode, by name
	expected map[string]*Signers
	operator bool
	callout  string // operator mode: name of the callout account
}

// LoadedKey is one key of a keyring with its implementation: a Signer for a signing key,
// an XKey for an xkey, neither for a retired key whose seed is gone.
type LoadedKey struct {
	Key
	Signer Signer
	XKey   *XKey
}

// Operator describes the accounts of operator mode.
type Operator struct {
	Callout  string // name of the callout account
	System   string // name of the system account; empty: not configured
	Accounts []Account
}

// NewKeyring returns a keyring of these keys. operator is nil in config mode.
func NewKeyring(held []LoadedKey, operator *Operator) (*Keyring, error) {
	k := &Keyring{signers: map[string]Signer{}, accounts: map[string]Account{}, expected: map[string]*Signers{}}
	for i := range held {
		h := &held[i]
		k.keys = append(k.keys, h.Key)
		switch {
		case h.State == StateRetired:
		case h.XKey != nil:
			k.xkeys = append(k.xkeys, h.XKey)
		case h.Signer != nil:
			k.signers[h.PublicKey] = h.Signer
		}
	}
	slices.SortFunc(k.keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.PublicKey, b.PublicKey))
	})
	if operator != nil {
		return k, k.byAccount(held, operator)
	}
	for public, s := range k.signers {
		k.expected[public] = SingleIssuer(s)
	}
	return k, nil
}

// byAccount indexes the active signing keys by account and scope.
func (k *Keyring) byAccount(held []LoadedKey, operator *Operator) error {
	k.operator, k.callout = true, operator.Callout
	for _, a := range operator.Accounts {
		k.accounts[a.Name] = a
	}
	callout, ok := k.accounts[operator.Callout]
	if !ok {
		return fmt.Errorf("the keyring does not know the callout account %s", operator.Callout)
	}
	system, ok := k.accounts[operator.System]
	if !ok && operator.System != "" {
		return fmt.Errorf("the keyring does not know the system account %s", operator.System)
	}
	signers := &Signers{callout: callout.PublicKey, system: system, users: map[Place]userSigner{}}
	for i := range held {
		h := &held[i]
		if h.State != StateActive || h.Signer == nil {
			continue
		}
		account, ok := k.accounts[h.Account]
		if !ok {
			return fmt.Errorf("signing key %s belongs to account %q, which the keyring does not know", h.PublicKey, h.Account)
		}
		place := Place{Account: h.Account, Scope: h.Scope}
		if other, taken := signers.users[place]; taken {
			return fmt.Errorf("two active signing keys for %s: %s and %s", place, other.PublicKey(), h.PublicKey)
		}
		signers.users[place] = userSigner{Signer: h.Signer, account: account.PublicKey}
	}
	response, ok := signers.users[Place{Account: operator.Callout}]
	if !ok {
		return fmt.Errorf("no active signing key for the callout account %s: no response could be signed", operator.Callout)
	}
	signers.response = response.Signer
	k.expected[callout.PublicKey] = signers
	return nil
}

// ErrEmptyKeyring: a keyring of config mode has no signing key.
var ErrEmptyKeyring = errors.New("holds no issuer seed")

// Operator reports whether the keyring is for operator mode.
func (k *Keyring) Operator() bool { return k.operator }

// For returns the keys that answer a server which expects this public key: that of
// an issuer (config mode), or of the callout account (operator mode).
func (k *Keyring) For(expected string) (*Signers, bool) {
	s, ok := k.expected[expected]
	return s, ok
}

// Expected returns every public key that For answers, sorted.
func (k *Keyring) Expected() []string { return slices.Sorted(maps.Keys(k.expected)) }

// Account returns an account of operator mode.
func (k *Keyring) Account(name string) (Account, bool) {
	a, ok := k.accounts[name]
	return a, ok
}

// Accounts returns the accounts of operator mode, sorted by name.
func (k *Keyring) Accounts() []Account {
	return slices.SortedFunc(maps.Values(k.accounts), func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
}

// Signer returns the signing key with this public key.
func (k *Keyring) Signer(public string) (Signer, bool) {
	s, ok := k.signers[public]
	return s, ok
}

// Signers returns every signing key, sorted by public key.
func (k *Keyring) Signers() []Signer {
	out := make([]Signer, 0, len(k.signers))
	for _, public := range slices.Sorted(maps.Keys(k.signers)) {
		out = append(out, k.signers[public])
	}
	return out
}

// Lasting returns the signing keys for values that are kept for long, sorted by public key: in
// config mode every signing key, in operator mode those of the callout account, which every
// replica has. Keys of other accounts come and go with projects.
func (k *Keyring) Lasting() []Signer {
	out := k.Signers()
	if !k.operator {
		return out
	}
	accounts := map[string]string{}
	for i := range k.keys {
		accounts[k.keys[i].PublicKey] = k.keys[i].Account
	}
	return slices.DeleteFunc(out, func(s Signer) bool { return accounts[s.PublicKey()] != k.callout })
}

// Oldest returns the signing key whose file was written first. While a key is being
// replaced, that is the key that every replica has. It is never nil: a keyring
// without a signing key does not load.
func (k *Keyring) Oldest() Signer {
	var oldest *Key
	for i := range k.keys {
		key := &k.keys[i]
		if _, signs := k.signers[key.PublicKey]; !signs || k.operator && key.State == StateNext {
			continue
		}
		if oldest == nil || key.Modified.Before(oldest.Modified) {
			oldest = key
		}
	}
	return k.signers[oldest.PublicKey]
}

// XKeys returns every xkey that opens requests. Empty: requests are not encrypted.
func (k *Keyring) XKeys() []*XKey { return k.xkeys }

// Keys describes every key, sorted by kind and public key.
func (k *Keyring) Keys() []Key { return slices.Clone(k.keys) }
