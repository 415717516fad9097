package phc

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What New makes a hash with: the second choice of the OWASP Password Storage Cheat
// Sheet, 19 MiB and two passes. A login then takes some 20 ms of one CPU, so that a host
// whose clients all connect again has them back soon; the first choice of RFC 9106 (2 GiB)
// and its second (64 MiB, three passes) would take ten times the time and more memory
// than a callout service has for many logins at once.
const (
	memory, passes, threads = 19 * 1024, 2, 1
	saltSize, sumSize       = 16, 32
)

// MaxPassword is the length of the longest password, in bytes.
const MaxPassword = 1024

// The errors of New.
var (
	ErrNoPassword   = errors.New("the password is empty")
	ErrLongPassword = fmt.Errorf("the password is longer than %d bytes", MaxPassword)
)

// New returns the argon2id hash of a password as a PHC string, with a salt from random.
func New(password string, random io.Reader) (string, error) {
	switch {
	case password == "":
		return "", ErrNoPassword
	case len(password) > MaxPassword:
		return "", ErrLongPassword
	}
	a := Argon2id{Memory: memory, Passes: passes, Threads: threads, Salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(random, a.Salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	a.Sum = a.sum(password, sumSize)
	return a.String(), nil
}

func (a *Argon2id) sum(password string, size int) []byte {
	return argon2.IDKey([]byte(password), a.Salt, a.Passes, a.Memory, a.Threads, uint32(size)) //nolint:gosec // Parse bounds it
}

// Matches reports whether a password has this hash. The error is that of Check.
func Matches(hash, password string) (bool, error) {
	if err := Check(hash); err != nil {
		return false, err
	}
	if text, ok := Bcrypt(hash); ok {
		return bcrypt.CompareHashAndPassword(text, []byte(password)) == nil, nil
	}
	a, err := Parse(hash)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(a.Sum, a.sum(password, len(a.Sum))) == 1, nil
}
