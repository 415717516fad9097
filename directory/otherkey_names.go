package directory

import "strconv"

// Noun returns what messages call a key of this kind.
func (k KeyKind) Noun() string {
	switch k {
	case KeyNKey, KeyPassword, KeyBinding:
		return string(k)
	case KeyCertificate:
		return "certificate subject"
	case KeyAPI:
	}
	return "key"
}

// List returns the key of a user in a directory file that has the keys of this kind.
func (k KeyKind) List() string {
	switch k {
	case KeyNKey, KeyCertificate, KeyBinding:
		return string(k) + "s"
	case KeyPassword:
		return string(k)
	case KeyAPI:
	}
	return "keys"
}

// DigestField returns the field of a directory file that makes the digest of such a key.
func (k KeyKind) DigestField() string {
	switch k {
	case KeyNKey:
		return "nkey"
	case KeyPassword:
		return "hash"
	case KeyCertificate, KeyBinding:
		return "subject"
	case KeyAPI:
	}
	return "digest"
}

// KeyPlaces counts the keys of a user, to say where each is in a directory file. The zero
// value is ready to use.
type KeyPlaces struct{ api, nkeys, certificates, bindings int }

// Next returns the list of a directory file that has the next key, and its index there. It
// is -1 for a password, which is in no list.
func (p *KeyPlaces) Next(kind KeyKind) (list string, index int) {
	n := &p.api
	switch kind {
	case KeyNKey:
		n = &p.nkeys
	case KeyCertificate:
		n = &p.certificates
	case KeyBinding:
		n = &p.bindings
	case KeyPassword:
		return kind.List(), -1
	case KeyAPI:
	}
	*n++
	return kind.List(), *n - 1
}

// KeyPath returns where the key with index i of a user is in a directory file:
// "nkeys[1]".
func (u *User) KeyPath(i int) string {
	var places KeyPlaces
	list, index := "", 0
	for j := range i + 1 {
		list, index = places.Next(u.Keys[j].Kind())
	}
	if index < 0 {
		return list
	}
	return list + "[" + strconv.Itoa(index) + "]"
}
